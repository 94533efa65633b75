use ratatui::layout::Position;

use super::*;
use crate::tui::request::{Request, Start};
use crate::tui::tabs::testing::{self, Lent};

fn shot(tab: &mut Lent<ModelTab>, width: u16, height: u16) -> String {
    testing::text(&testing::draw(tab, width, height, &testing::theme()))
}

fn with_sets() -> Lent<ModelTab> {
    let mut tab = testing::lent(ModelTab::new());
    tab.set_sets(vec!["fashion-mnist".into(), "fashion-mnist-mini".into()]);
    tab
}

fn choose(tab: &mut Lent<ModelTab>, preset: &str) {
    let at = tab.entries.iter().position(|e| e.name == preset);
    tab.select(at.unwrap());
}

fn press(tab: &mut Lent<ModelTab>, codes: &[KeyCode]) {
    for code in codes {
        tab.on_text(KeyEvent::from(*code));
    }
}

fn edit(tab: &mut Lent<ModelTab>, field: Field, text: &str) {
    tab.focus = Focus::Form;
    tab.form.cursor = tab.form.fields.iter().position(|f| *f == field).unwrap();
    tab.on_action(Action::Open);
    assert!(tab.takes_text());
    press(tab, &[KeyCode::Backspace; 20]);
    let keys: Vec<KeyCode> = text.chars().map(KeyCode::Char).collect();
    press(tab, &keys);
    press(tab, &[KeyCode::Enter]);
}

#[test]
fn without_and_with_the_real_set() {
    insta::assert_snapshot!(
        "empty_80x24",
        shot(&mut testing::lent(ModelTab::new()), 80, 24)
    );
    insta::assert_snapshot!(
        "empty_120x40",
        shot(&mut testing::lent(ModelTab::new()), 120, 40)
    );
    insta::assert_snapshot!("filled_80x24", shot(&mut with_sets(), 80, 24));
    insta::assert_snapshot!("filled_120x40", shot(&mut with_sets(), 120, 40));
}

#[test]
fn every_preset_is_on_the_path_and_sound() {
    let mut tab = with_sets();
    assert_eq!(tab.entries.len(), presets::all().len());
    tab.on_action(Action::Home);
    for entry in presets::all() {
        assert_eq!(tab.entry().unwrap().name, entry.name);
        assert!(tab.summary.is_ok(), "{:?}", tab.summary);
        assert!(shot(&mut tab, 80, 24).contains(entry.name));
        tab.on_action(Action::Down);
    }
}

#[test]
fn a_block_of_no_layers_is_a_row_of_its_own() {
    use crate::layers::{Activate, Activation, Layer, Residual};

    let mut tab = with_sets();
    choose(&mut tab, "custom-cnn");
    let at = tab.cursor;
    let layers = &mut tab.entries[at].profile.model.layers;
    let identity = Layer::Residual(Residual {
        layers: vec![Layer::Activation(Activate {
            function: Activation::None,
        })],
        shortcut: Vec::new(),
        activation: Activation::Relu,
    });
    layers.insert(1, identity);
    tab.select(at);
    assert!(tab.summary.is_ok(), "{:?}", tab.summary);
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let screen = shot(&mut tab, width, height);
        let row = screen.lines().find(|line| line.contains("block1"));
        assert!(row.unwrap().contains("residual"), "{screen}");
    }
}

#[test]
fn the_built_in_set_stands_in() {
    let mut tab = testing::lent(ModelTab::new());
    let Effect::Request(Request::Start(Start::New(profile))) = tab.on_action(Action::Train) else {
        panic!("did not train");
    };
    assert_eq!(profile.data.name, "fashion-mnist-mini");
    assert!(shot(&mut tab, 120, 40).contains("fashion-mnist is not here"));
    tab.set_sets(vec!["fashion-mnist".into()]);
    let Effect::Request(Request::Start(Start::New(profile))) = tab.on_action(Action::Train) else {
        panic!("did not train");
    };
    assert_eq!(profile.data.name, "fashion-mnist");
}

#[test]
fn a_preset_for_another_published_set_waits_for_it() {
    let mut tab = with_sets();
    choose(&mut tab, "resnet20-cifar10");
    assert_eq!(tab.entry().unwrap().profile.data.name, "cifar10");
    let words = "resnet20-cifar10 needs cifar10; choose it with e on the Data tab";
    assert!(shot(&mut tab, 120, 40).contains(words));
    tab.set_sets(vec!["cifar10".into()]);
    assert!(!shot(&mut tab, 120, 40).contains(words));
}

#[test]
fn typed_values_go_into_the_recipe() {
    let mut tab = with_sets();
    edit(&mut tab, Field::named("epochs"), "3");
    edit(&mut tab, Field::named("learning rate"), "5e-4");
    assert!(tab.entry().unwrap().is_edited());
    let Effect::Request(Request::Start(Start::New(profile))) = tab.on_action(Action::Train) else {
        panic!("did not train");
    };
    assert_eq!(profile.train.epochs, 3);
    assert!((profile.train.optimizer.learning_rate - 5e-4).abs() < 1e-12);
    tab.on_action(Action::Delete);
    assert_eq!(
        Field::named("learning rate").get(&tab.entry().unwrap().profile),
        "1e-3"
    );
}

#[test]
fn refused_values_change_nothing_and_say_why() {
    let mut tab = with_sets();
    edit(&mut tab, Field::named("learning rate"), "-1");
    assert!(tab.takes_text());
    assert!(tab.refused.contains("learning_rate"), "{}", tab.refused);
    assert_eq!(
        Field::named("learning rate").get(&tab.entry().unwrap().profile),
        "1e-3"
    );
    press(&mut tab, &[KeyCode::Esc]);
    assert!(!tab.takes_text() && tab.refused.is_empty());
    tab.set_sets(Vec::new());
    edit(&mut tab, Field::named("validation"), "5000");
    assert!(tab.refused.contains("2,000"), "{}", tab.refused);
}

#[test]
fn choices_cycle_and_escape_restores() {
    let mut tab = with_sets();
    tab.focus = Focus::Form;
    let place = tab
        .form
        .fields
        .iter()
        .position(|f| *f == Field::named("optimizer"));
    tab.form.cursor = place.unwrap();
    let optimizer = |tab: &ModelTab| Field::named("optimizer").get(&tab.entry().unwrap().profile);
    tab.on_action(Action::Open);
    press(&mut tab, &[KeyCode::Right]);
    assert_eq!(optimizer(&tab), "adamw");
    press(&mut tab, &[KeyCode::Esc]);
    assert_eq!(optimizer(&tab), "adam");
    tab.on_action(Action::Open);
    press(&mut tab, &[KeyCode::Left, KeyCode::Enter]);
    assert_eq!(optimizer(&tab), "rmsprop");
}

#[test]
fn a_residual_networks_form_offers_other_weights_and_what_to_freeze() {
    let mut tab = with_sets();
    choose(&mut tab, "resnet18-scratch");
    edit(&mut tab, Field::named("init. from"), "weights/resnet18.pth");
    tab.form.cursor += 1;
    tab.on_action(Action::Open);
    press(&mut tab, &[KeyCode::Right, KeyCode::Enter]);
    let model = &tab.entry().unwrap().profile.model;
    assert_eq!(
        (model.pretrained.as_str(), model.freeze.as_str()),
        ("weights/resnet18.pth", "backbone")
    );
    let screen = shot(&mut tab, 120, 40);
    assert!(
        screen.contains("5,130 of 11,181,642 parameters trained"),
        "{screen}"
    );
    assert!(screen.contains("frozen conv 7×7 s2 p3"), "{screen}");
}

#[test]
fn a_card_tells_of_the_weights_that_a_recipe_begins_with() {
    let mut tab = with_sets();
    assert_eq!(tab.asks_about_weights(), None);
    choose(&mut tab, "resnet20-cifar-frozen");
    let model = tab.asks_about_weights().unwrap();
    assert_eq!(model.pretrained, "resnet20-12fca82f.th");
    assert_eq!(tab.asks_about_weights(), None, "asks once");
    let card = || {
        vec![
            (
                "trained by",
                "somebody with a long name and an address of many words, at a place far away"
                    .into(),
            ),
            ("licence", "BSD-2-Clause".into()),
        ]
    };
    tab.set_card("another.th".into(), card());
    assert!(!shot(&mut tab, 120, 40).contains("BSD-2-Clause"));
    tab.set_card(model.pretrained, card());
    insta::assert_snapshot!("card_120x40", shot(&mut tab, 120, 40));
    tab.view = View::Story;
    insta::assert_snapshot!("card_80x24", shot(&mut tab, 80, 24));
}

/// The layers of a deep network fill the screen; further down stand its story and, at the end, its weights' card.
#[test]
fn scrolling_the_layers_reaches_the_card() {
    for (preset, width, height) in [
        ("resnet20-cifar-frozen", 120, 40),
        ("resnet20-cifar-frozen", 80, 24),
        ("vgg11-bn-finetune", 120, 40),
    ] {
        let mut tab = with_sets();
        choose(&mut tab, preset);
        let model = tab.asks_about_weights().unwrap();
        tab.set_card(model.pretrained, vec![("licence", "BSD-2-Clause".into())]);
        let mut screens = vec![shot(&mut tab, width, height)];
        while screens.len() < 60 {
            tab.on_action(Action::PageDown);
            let next = shot(&mut tab, width, height);
            if screens.last() == Some(&next) {
                break;
            }
            screens.push(next);
        }
        let end = screens.last().unwrap();
        assert!(screens.len() > 1 && screens.len() < 60, "{preset}: {end}");
        assert!(!end.contains("PgDn ▾"), "{preset}: {end}");
        for words in ["BSD-2-Clause", "What to look for"] {
            let seen = screens.iter().any(|screen| screen.contains(words));
            assert!(seen, "{preset}, {words}: {end}");
        }
        // Nothing is past the end, so one page up shows something else.
        tab.on_action(Action::PageUp);
        assert_ne!(shot(&mut tab, width, height), *end);
    }
}

#[test]
fn a_chosen_set_holds_for_every_preset() {
    let mut tab = with_sets();
    tab.focus = Focus::Form;
    tab.on_action(Action::Open);
    press(&mut tab, &[KeyCode::Right, KeyCode::Enter]);
    tab.on_action(Action::Back);
    tab.on_action(Action::End);
    assert_eq!(tab.entry().unwrap().profile.data.name, "fashion-mnist-mini");
    assert!(!tab.entry().unwrap().is_edited());
}

/// A mean and deviation that were found for a set stay with it, and come back with it.
#[test]
fn another_set_gets_its_own_mean() {
    use crate::profile::{Normalize, PerChannel};
    let mut tab = with_sets();
    tab.set_sets(vec!["fashion-mnist".into(), "mnist".into()]);
    let turn = |tab: &mut Lent<ModelTab>, set: &str| {
        tab.focus = Focus::Form;
        assert!(tab.try_value(set), "{}", tab.refused);
        let entry = tab.entry().unwrap();
        assert_eq!(entry.profile.data.name, set);
        assert!(!entry.is_edited());
        entry.profile.data.figures()
    };
    assert_eq!(tab.form.field(), Field::named("data"));
    let at = tab.cursor;
    // As a record has it.
    let found = (
        Normalize::Dataset,
        Some(PerChannel::All(0.2859)),
        Some(PerChannel::All(0.353)),
    );
    tab.entries[at].original.data.set_figures(found.clone());
    tab.entries[at].profile.data.set_figures(found.clone());
    assert_eq!(turn(&mut tab, "mnist"), (Normalize::Dataset, None, None));
    assert_eq!(turn(&mut tab, "fashion-mnist"), found);
    // What somebody chose is theirs.
    assert_eq!(turn(&mut tab, "mnist"), (Normalize::Dataset, None, None));
    tab.entries[at].profile.data.normalize = Normalize::Unit;
    assert!(tab.try_value("fashion-mnist") && tab.entry().unwrap().is_edited());
    assert_eq!(tab.entry().unwrap().profile.data.normalize, Normalize::Unit);
}

/// The layers' shapes are those of the recipe's own set, whatever the Data tab shows.
#[test]
fn shapes_are_of_the_recipes_own_set() {
    let mut tab = with_sets();
    choose(&mut tab, "mlp-50-20");
    tab.set_sets(vec!["fashion-mnist".into(), "letters".into()]);
    let parameters = |tab: &ModelTab| {
        tab.summary
            .as_ref()
            .map(|s| s.parameters)
            .map_err(Clone::clone)
    };
    assert_eq!(parameters(&tab), Ok(40_480));
    assert_eq!(tab.asks_about_set(), None);
    tab.focus = Focus::Form;
    assert!(tab.try_value("letters"));
    assert!(parameters(&tab).unwrap_err().contains("is being read"));
    assert_eq!(tab.asks_about_set().as_deref(), Some("letters"));
    assert_eq!(tab.asks_about_set(), None);
    let letters = DatasetInfo {
        channels: 1,
        name: "letters".into(),
        height: 16,
        width: 8,
        classes: 26,
        train: 400,
    };
    tab.set_info("letters".into(), Ok(letters));
    assert_eq!(parameters(&tab), Ok(129 * 50 + 51 * 20 + 21 * 26));
    assert!(tab.try_value("fashion-mnist"));
    assert_eq!(parameters(&tab), Ok(40_480));
    tab.set_info("letters".into(), Err("is damaged".into()));
    assert!(!tab.try_value("letters") && tab.refused.contains("is damaged"));
}

#[test]
fn views_show_the_file_and_the_story() {
    let mut tab = with_sets();
    tab.on_action(Action::CycleView);
    assert!(shot(&mut tab, 120, 40).contains("architecture = \"lenet5\""));
    tab.on_action(Action::CycleView);
    assert!(shot(&mut tab, 120, 40).contains("What to look for"));
}

#[test]
fn clicks_choose_presets_and_fields() {
    let mut tab = with_sets();
    shot(&mut tab, 80, 24);
    tab.on_action(Action::Home);
    shot(&mut tab, 80, 24);
    tab.on_mouse(Mouse::Click(Position::new(5, 4)));
    assert_eq!(tab.entry().unwrap().name, "mlp-20");
    tab.on_mouse(Mouse::Click(Position::new(5, 17)));
    assert_eq!(tab.form.field(), Field::named("validation"));
    tab.on_mouse(Mouse::Click(Position::new(5, 17)));
    assert!(tab.takes_text());
}

#[test]
fn no_size_and_no_data_panics() {
    for view in View::ALL {
        let mut tab = with_sets();
        tab.view = view;
        testing::survives(&mut tab);
        tab.on_action(Action::End);
        tab.on_action(Action::PageDown);
        tab.focus = Focus::Form;
        tab.on_action(Action::Open);
        testing::survives(&mut tab);
    }
    for (height, width, classes) in [(0, 0, 0), (1, 1, 26), (28, 28, 0)] {
        let mut tab = testing::lent(ModelTab::new());
        for name in ["fashion-mnist", catalog::BUILT_IN] {
            let info = DatasetInfo {
                channels: 1,
                name: name.into(),
                height,
                width,
                classes,
                train: 10,
            };
            tab.set_info(name.into(), Ok(info));
        }
        testing::survives(&mut tab);
    }
}

/// Files come, change and go while the screens are open.
#[test]
fn own_profiles_are_read_again_and_what_was_changed_here_stays() {
    let mut tab = with_sets();
    let presets = tab.entries.len();
    let of = |name: &str, seed| {
        let mut profile = Profile::new("mlp");
        profile.train.seed = seed;
        (name.to_string(), profile)
    };
    tab.set_own(vec![of("a", 1), of("b", 2)]);
    choose(&mut tab, "b");
    edit(&mut tab, Field::named("epochs"), "7");
    tab.set_own(vec![of("b", 2), of("c", 3)]);
    let names: Vec<&str> = tab.entries[presets..]
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    assert_eq!(names, ["b", "c"]);
    let shown = tab.entry().unwrap();
    assert_eq!((shown.name.as_str(), shown.profile.train.epochs), ("b", 7));
    tab.set_own(vec![of("b", 9)]);
    let shown = tab.entry().unwrap();
    assert_eq!(
        (shown.profile.train.seed, shown.profile.train.epochs),
        (9, 20)
    );
    tab.set_own(Vec::new());
    assert_eq!(tab.entries.len(), presets);
    assert!(tab.entry().unwrap().preset.is_some());
}

fn vary(tab: &mut Lent<ModelTab>, field: Field, range: &str) {
    tab.focus = Focus::Form;
    tab.form.cursor = tab.form.fields.iter().position(|f| *f == field).unwrap();
    tab.on_action(Action::Vary);
    press(tab, &[KeyCode::Backspace; 40]);
    let keys: Vec<KeyCode> = range.chars().map(KeyCode::Char).collect();
    press(tab, &keys);
    press(tab, &[KeyCode::Enter]);
}

#[test]
fn marked_fields_become_a_sweep() {
    let mut tab = with_sets();
    choose(&mut tab, "lenet5");
    assert!(matches!(tab.on_action(Action::Sweep), Effect::Say(_)));
    vary(&mut tab, Field::named("learning rate"), "1e-4..0.1");
    vary(&mut tab, Field::named("optimizer"), "sgd, adam");
    // A refused range stays in the line, and marks nothing.
    vary(&mut tab, Field::named("batch size"), "many");
    assert!(tab.takes_text() && tab.refused.starts_with("train.batch_size"));
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("search batch size: many"), "{screen}");
    assert!(screen.contains("train.batch_size"), "{screen}");
    press(&mut tab, &[KeyCode::Backspace]);
    assert_eq!(tab.refused, "");
    press(&mut tab, &[KeyCode::Esc]);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("*learning rate 1e-4..0.1"), "{screen}");
    assert!(screen.contains("*optimizer    sgd, adam"), "{screen}");

    // The recipe holds nothing out yet: the cursor goes to where that is set.
    tab.focus = Focus::Path;
    let why = "A sweep needs validation images: set validation, to 0.1 or 5000";
    assert_eq!(tab.on_action(Action::Sweep), Effect::Say(why.into()));
    assert_eq!(tab.form.field(), Field::named("validation"));
    edit(&mut tab, Field::named("validation"), "0.1");
    tab.focus = Focus::Path;
    tab.on_action(Action::Sweep);
    let screen = shot(&mut tab, 80, 24);
    assert!(
        screen.contains("sweep over 2 fields: trials=30"),
        "{screen}"
    );
    let Effect::Request(Request::StartSweep(sweep)) = tab.on_text(KeyEvent::from(KeyCode::Enter))
    else {
        panic!("{}", tab.refused);
    };
    assert!(!tab.takes_text());
    assert_eq!(
        (sweep.space.parameters.len(), sweep.settings.trials),
        (2, 30)
    );

    // Enter changes the range, the key again takes the mark away; others have marks of their own.
    edit(&mut tab, Field::named("optimizer"), "any");
    let at = tab.cursor;
    assert_eq!(tab.entries[at].marks["train.optimizer.kind"], "any");
    tab.on_action(Action::Vary);
    assert_eq!(tab.entries[at].marks.len(), 1);
    choose(&mut tab, "modern-lenet");
    assert!(!tab.is_searched());
}
