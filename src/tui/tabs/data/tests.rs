use ratatui::crossterm::event::KeyCode;

use std::sync::atomic::AtomicBool;

use super::*;
use crate::catalog;
use crate::data::check::{self, Source};
use crate::data::{Examples, InMemory, Store, mini};
use crate::error::Error;
use crate::tui::tabs::testing::{self, Lent};

fn found(name: &str, place: &str, is_added: bool) -> FoundSet {
    FoundSet {
        name: name.into(),
        place: place.into(),
        is_added,
    }
}

fn filled() -> Lent<DataTab> {
    let mut tab = testing::lent(DataTab::default());
    tab.set_sets(vec![
        found("fashion-mnist", "data/fashion-mnist", false),
        found("fashion-mnist-mini", "built in", false),
        found("flowers", "/home/me/flowers", true),
    ]);
    tab.set_dataset(Arc::new(mini::load().unwrap()));
    tab
}

fn shot(tab: &mut Lent<DataTab>, width: u16, height: u16) -> String {
    testing::text(&testing::draw(tab, width, height, &testing::theme()))
}

fn type_text(tab: &mut Lent<DataTab>, text: &str) {
    tab.on_action(Action::Filter);
    for sign in text.chars() {
        tab.on_text(KeyEvent::from(KeyCode::Char(sign)));
    }
    tab.on_text(KeyEvent::from(KeyCode::Enter));
}

#[test]
fn empty_says_what_to_do() {
    let mut tab = testing::lent(DataTab::default());
    insta::assert_snapshot!("empty_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("empty_120x40", shot(&mut tab, 120, 40));
    tab.set_status("downloading fashion-mnist, 41 % …".into());
    assert!(shot(&mut tab, 80, 24).contains("downloading fashion-mnist, 41 %"));
}

#[test]
fn filled_views() {
    insta::assert_snapshot!("filled_80x24", shot(&mut filled(), 80, 24));
    insta::assert_snapshot!("filled_120x40", shot(&mut filled(), 120, 40));
    let mut tab = filled();
    tab.view = Some(View::Balance);
    insta::assert_snapshot!("balance_80x24", shot(&mut tab, 80, 24));
    tab.view = Some(View::Small);
    tab.on_action(Action::Open);
    insta::assert_snapshot!("zoom_80x24", shot(&mut tab, 80, 24));
}

#[test]
fn a_typed_filter_narrows_the_grid() {
    let mut tab = filled();
    type_text(&mut tab, "test shirt");
    assert_eq!(tab.shown.len(), 50);
    assert!(!tab.takes_text());
    type_text(&mut tab, "hat");
    assert!(tab.takes_text());
    assert!(shot(&mut tab, 120, 40).contains("is not a class"));
    tab.on_text(KeyEvent::from(KeyCode::Esc));
    assert_eq!(tab.shown.len(), 50);
    tab.on_action(Action::Back);
    assert_eq!(tab.shown.len(), 2500);
}

#[test]
fn keys_filter_by_part_and_class() {
    let mut tab = filled();
    tab.on_action(Action::CycleNumbers);
    assert_eq!(tab.shown.len(), 2000);
    tab.on_action(Action::Later);
    assert_eq!(tab.shown.len(), 200);
    tab.on_action(Action::Earlier);
    assert_eq!(tab.shown.len(), 2000);
}

#[test]
fn zoom_walks_the_filtered_images() {
    let mut tab = filled();
    shot(&mut tab, 80, 24);
    tab.on_action(Action::Open);
    tab.on_action(Action::Right);
    assert_eq!(tab.grid.cursor, 1);
    assert!(shot(&mut tab, 80, 24).contains("2 of 2,500"));
    tab.on_action(Action::Back);
    assert_eq!(tab.mode, Mode::Browse);
}

#[test]
fn another_set_is_chosen_or_downloaded() {
    let mut tab = filled();
    let shown = Some("fashion-mnist-mini".into());
    assert_eq!(
        tab.on_action(Action::Edit),
        Request::FindDatasets { shown }.into()
    );
    assert!(shot(&mut tab, 80, 24).contains("data/fashion-mnist"));
    tab.on_action(Action::Up);
    assert_eq!(
        tab.on_action(Action::Open),
        Request::LoadDataset("fashion-mnist".into()).into()
    );
    assert!(shot(&mut tab, 80, 24).contains("loading fashion-mnist"));
    // It is here; where it is chosen in the list, its files may be mended.
    assert!(matches!(tab.on_action(Action::Delete), Effect::Say(_)));
    tab.on_action(Action::Edit);
    tab.on_action(Action::Up);
    assert_eq!(tab.on_action(Action::Delete), Effect::None);
    assert!(shot(&mut tab, 80, 24).contains("Download fashion-mnist (30 MB)"));
    tab.on_text(KeyEvent::from(KeyCode::Esc));
    assert!(!tab.takes_text());
    tab.on_action(Action::Delete);
    assert_eq!(
        tab.on_text(KeyEvent::from(KeyCode::Char('x'))),
        Effect::None
    );
    assert_eq!(
        tab.on_text(KeyEvent::from(KeyCode::Enter)),
        Request::FetchDataset("fashion-mnist".into()).into()
    );
    assert!(!tab.takes_text());
}

#[test]
fn every_published_set_can_be_chosen_and_downloaded() {
    let mut tab = filled();
    tab.on_action(Action::Edit);
    insta::assert_snapshot!("sets_80x24", shot(&mut tab, 80, 24));
    for set in catalog::fetchable() {
        tab.mode = Mode::Sets;
        tab.sets.select(set.name);
        for action in [Action::Open, Action::Delete] {
            if action == Action::Open && set.name == "fashion-mnist" {
                continue;
            }
            assert_eq!(tab.on_action(action), Effect::None);
            let size = set.download().unwrap().size;
            let question = format!("Download {} ({size})", set.name);
            assert!(shot(&mut tab, 80, 24).contains(&question));
            assert_eq!(
                tab.on_text(KeyEvent::from(KeyCode::Enter)),
                Request::FetchDataset(set.name.into()).into()
            );
        }
    }
    // What is built in is here for good.
    tab.mode = Mode::Sets;
    tab.sets.select("fashion-mnist-mini");
    assert!(matches!(tab.on_action(Action::Delete), Effect::Say(_)));
    assert!(!tab.takes_text());
    // A low terminal keeps the cursor in sight.
    tab.on_action(Action::End);
    assert!(shot(&mut tab, 60, 10).contains("▸ cifar100-coarse"));
}

#[test]
fn clicks_select_then_open() {
    let mut tab = filled();
    shot(&mut tab, 80, 24);
    let at = Position::new(20, 6);
    tab.on_mouse(Mouse::Click(at));
    assert_eq!(tab.grid.cursor, 1);
    tab.on_mouse(Mouse::Click(at));
    assert_eq!(tab.mode, Mode::Zoom);
    tab.on_mouse(Mouse::Click(at));
    let (area, _) = *tab
        .view_areas
        .iter()
        .find(|(_, v)| *v == View::Balance)
        .unwrap_or(&(Rect::ZERO, View::Balance));
    shot(&mut tab, 80, 24);
    let area = if area == Rect::ZERO {
        tab.view_areas
            .iter()
            .find(|(_, v)| *v == View::Balance)
            .unwrap()
            .0
    } else {
        area
    };
    tab.on_mouse(Mouse::Click(area.as_position()));
    assert_eq!(tab.view(), View::Balance);
}

#[test]
fn no_size_and_no_data_panics() {
    let sets = [(0, 0), (1, 2), (26, 2), (10, 12)];
    for (classes, per_class) in sets {
        let mut tab = testing::lent(DataTab::default());
        tab.set_dataset(Arc::new(testing::dataset(classes, per_class)));
        for view in View::ALL {
            tab.view = Some(view);
            tab.on_action(Action::End);
            testing::survives(&mut tab);
        }
        tab.view = Some(View::Small);
        tab.on_action(Action::Open);
        testing::survives(&mut tab);
        tab.on_action(Action::Edit);
        testing::survives(&mut tab);
    }
    testing::survives(&mut testing::lent(DataTab::default()));
    let mut tab = colored(4, &[(16, 16), (500, 2), (1, 300)]);
    for view in View::ALL {
        tab.view = Some(view);
        testing::survives(&mut tab);
    }
    tab.view = Some(View::Large);
    tab.on_action(Action::Open);
    testing::survives(&mut tab);
}

fn type_path(tab: &mut Lent<DataTab>, path: &str) -> Effect {
    for sign in path.chars() {
        tab.on_text(KeyEvent::from(KeyCode::Char(sign)));
    }
    tab.on_text(KeyEvent::from(KeyCode::Enter))
}

#[test]
fn a_set_is_added_by_its_path() {
    let mut tab = filled();
    // From the images at once, from the list too.
    assert!(matches!(tab.on_action(Action::Add), Effect::Request(_)));
    assert!(tab.takes_text());
    tab.on_text(KeyEvent::from(KeyCode::Esc));
    assert_eq!(tab.mode, Mode::Sets);
    tab.on_action(Action::Add);
    assert_eq!(type_path(&mut tab, ""), Effect::None);
    let add = |skips_broken| {
        let path = "~/flowers".into();
        Effect::from(Request::AddDataset { path, skips_broken })
    };
    insta::assert_snapshot!("adding_80x24", shot(&mut tab, 80, 24));
    assert_eq!(type_path(&mut tab, " ~/flowers "), add(false));
    assert!(shot(&mut tab, 80, 24).contains("adding ~/flowers …"));
    // What is refused can be corrected.
    tab.set_refused("/home/me/flowers has only one class, rose; put the images of each class into a directory of its own".into());
    insta::assert_snapshot!("refused_80x24", shot(&mut tab, 80, 24));
    assert_eq!(type_path(&mut tab, ""), add(false));
    // Broken files are named, and passed over where somebody says so.
    let broken = |count: usize| BrokenFiles {
        path: "~/flowers".into(),
        named: (0..count.min(40))
            .map(|number| format!("rose/{number}.jpg is truncated"))
            .collect(),
        count,
    };
    tab.set_broken(broken(57));
    insta::assert_snapshot!("broken_80x24", shot(&mut tab, 80, 24));
    assert_eq!(tab.on_text(KeyEvent::from(KeyCode::Esc)), Effect::None);
    assert!(!tab.takes_text());
    tab.set_broken(broken(1));
    assert!(shot(&mut tab, 80, 24).contains("1 file cannot be used"));
    testing::survives(&mut tab);
    assert_eq!(tab.on_text(KeyEvent::from(KeyCode::Enter)), add(true));
}

#[test]
fn a_set_that_was_added_is_removed() {
    let mut tab = filled();
    tab.on_action(Action::Edit);
    assert_eq!(
        tab.on_action(Action::Train),
        Effect::TrainOn("fashion-mnist-mini".into())
    );
    tab.on_action(Action::Down);
    assert!(matches!(tab.on_action(Action::Train), Effect::Say(_)));
    assert!(tab.tab.hints(&tab.cx).contains(&Hint {
        keys: "d",
        does: "remove"
    }));
    assert_eq!(tab.on_action(Action::Delete), Effect::None);
    assert!(shot(&mut tab, 80, 24).contains("Remove flowers from the list? Its images stay in"));
    assert_eq!(
        tab.on_text(KeyEvent::from(KeyCode::Enter)),
        Request::RemoveDataset("flowers".into()).into()
    );
    assert!(tab.dataset.is_some(), "another is shown");
    let flowers = Dataset {
        name: "flowers".into(),
        ..testing::dataset(10, 12)
    };
    tab.set_dataset(Arc::new(flowers));
    tab.on_action(Action::Edit);
    tab.on_action(Action::Delete);
    tab.on_text(KeyEvent::from(KeyCode::Enter));
    tab.on_action(Action::Back);
    let shown = shot(&mut tab, 80, 24);
    assert!(shown.contains("No data set is loaded.") && !shown.contains("download"));
    assert!(tab.tab.hints(&tab.cx).iter().all(|hint| hint.keys != "d"));
    testing::survives(&mut tab);
}

#[test]
fn the_list_is_looked_at_again_and_its_cursor_stays() {
    let mut tab = filled();
    tab.on_action(Action::Edit);
    tab.on_action(Action::Down);
    tab.set_sets(vec![
        found("apples", "/home/me/apples", true),
        found("fashion-mnist-mini", "built in", false),
        found("flowers", "/home/me/flowers", true),
    ]);
    assert!(shot(&mut tab, 80, 24).contains("▸ flowers"));
    tab.set_sets(vec![found("fashion-mnist-mini", "built in", false)]);
    tab.on_action(Action::Home);
    assert!(shot(&mut tab, 80, 24).contains("▸ fashion-mnist-mini"));
}

#[test]
fn the_hints_are_about_the_set_under_the_cursor() {
    let mut tab = filled();
    tab.on_action(Action::Edit);
    let keys = |tab: &Lent<DataTab>| {
        let hints = tab.tab.hints(&tab.cx);
        hints.iter().map(|hint| hint.keys).collect::<Vec<_>>()
    };
    assert_eq!(keys(&tab), ["Enter", "a", "Esc"], "here");
    tab.on_action(Action::Down);
    assert_eq!(keys(&tab), ["Enter", "d", "a", "Esc"], "added");
    tab.on_action(Action::Down);
    assert_eq!(keys(&tab), ["d", "a", "Esc"], "to be downloaded");
}

#[test]
fn what_went_wrong_is_dismissed() {
    let mut tab = filled();
    let is_shown = |tab: &mut Lent<DataTab>| shot(tab, 80, 24).contains("is truncated");
    let dismissing: [fn(&mut Lent<DataTab>); 4] = [
        |tab| drop(tab.on_action(Action::Back)),
        |tab| drop(tab.on_action(Action::Edit)),
        |tab| tab.on_left(),
        |tab| tab.set_dataset(Arc::new(mini::load().unwrap())),
    ];
    for dismiss in dismissing {
        tab.mode = Mode::Browse;
        tab.set_failed("data/flowers/files.tsv is truncated".into());
        assert!(is_shown(&mut tab));
        dismiss(&mut tab);
        assert!(!is_shown(&mut tab));
    }
    // What is under way stays until it has ended.
    tab.set_status("checking flowers: 3 of 9 images; Esc cancels".into());
    tab.on_left();
    assert!(shot(&mut tab, 80, 24).contains("Esc cancels"));
    tab.set_status(String::new());
    assert!(!shot(&mut tab, 80, 24).contains("Esc cancels"));
}

fn with_excluded() -> Lent<DataTab> {
    let mut tab = filled();
    let excluded = BTreeMap::from([
        (1, "copy of train 5".to_owned()),
        (4, "one colour only".to_owned()),
        (2003, "copy of train 7".to_owned()),
    ]);
    tab.set_excluded("flowers", Ok(BTreeMap::from([(0, String::new())])));
    assert!(
        !shot(&mut tab, 80, 24).contains("excluded"),
        "of another set"
    );
    tab.set_excluded("fashion-mnist-mini", Ok(excluded));
    tab
}

#[test]
fn images_that_runs_leave_out_are_marked_and_not_counted() {
    let mut tab = with_excluded();
    insta::assert_snapshot!("excluded_80x24", shot(&mut tab, 80, 24));
    tab.on_action(Action::Right);
    assert!(shot(&mut tab, 80, 24).contains("· train · excluded: copy of train 5"));
    tab.on_action(Action::Open);
    assert!(shot(&mut tab, 80, 24).contains("\n excluded: copy of train 5\n"));
    tab.on_action(Action::Back);
    tab.view = Some(View::Balance);
    let shown = shot(&mut tab, 80, 24);
    assert!(
        shown.contains("T-shirt/top            198") && shown.contains("without 3 excluded"),
        "{shown}"
    );
    tab.view = Some(View::Small);
    type_text(&mut tab, "excluded");
    assert_eq!(tab.shown, [1, 4, 2003]);
    assert!(shot(&mut tab, 80, 24).contains("‹ all classes › · excluded · 3"));
    type_text(&mut tab, "excluded test");
    assert_eq!(tab.shown, [2003]);
    // Another set has others.
    tab.set_dataset(Arc::new(testing::dataset(10, 12)));
    assert!(!shot(&mut tab, 80, 24).contains("excluded"));
    tab.set_excluded(
        "fashion-mnist-mini",
        Err("excluded.tsv, line 3 is no excluded image".into()),
    );
    assert!(shot(&mut tab, 80, 24).contains("line 3 is no excluded image"));
}

#[test]
fn means_are_of_the_images_that_are_used() {
    let mut tab = filled();
    tab.view = Some(View::Means);
    shot(&mut tab, 80, 24);
    let Means::Known(Ok(before)) = std::mem::take(&mut tab.means) else {
        panic!("no means");
    };
    let set = tab.dataset.clone().unwrap();
    let boots = (0..2000).filter(|index| set.label(*index) == 9).skip(1);
    let excluded = boots.map(|index| (index, String::new())).collect();
    tab.set_excluded("fashion-mnist-mini", Ok(excluded));
    shot(&mut tab, 80, 24);
    let Means::Known(Ok(after)) = std::mem::take(&mut tab.means) else {
        panic!("no means");
    };
    let first = (0..2000).find(|index| set.label(*index) == 9).unwrap();
    assert_eq!(after[9], set.image(first).unwrap(), "the only one left");
    assert_ne!(after[9], before[9]);
    assert_eq!(after[..9], before[..9]);
}

#[test]
fn what_is_not_opaque_is_laid_over_the_recipes_background() {
    use crate::profile::Background;
    use ratatui::style::Color;
    for (background, under) in [
        (Background::White, 255),
        (Background::Grey, 128),
        (Background::Black, 0),
    ] {
        let mut tab = colored(4, &TWO_SIZES[..1]);
        tab.cx.background = background;
        tab.view = Some(View::Large);
        let under = Color::Rgb(under, under, under);
        // The border of the first image is transparent, that of the second is not.
        let screen = testing::draw(&mut tab, 80, 40, &testing::theme());
        assert_eq!(screen[(1, 5)].fg, under);
        assert_ne!(screen[(22, 5)].fg, under);
        tab.on_action(Action::Open);
        let screen = testing::draw(&mut tab, 80, 24, &testing::theme());
        assert_eq!(screen[(1, 2)].fg, under);
    }
}

const TWO_SIZES: [(usize, usize); 2] = [(16, 16), (24, 32)];

fn colored(channels: usize, sizes: &[(usize, usize)]) -> Lent<DataTab> {
    let mut tab = testing::lent(DataTab::default());
    tab.set_dataset(Arc::new(testing::colored(channels, sizes)));
    tab
}

#[test]
fn sets_in_colours_of_several_sizes_without_a_test_part() {
    let mut tab = colored(3, &TWO_SIZES);
    insta::assert_snapshot!("colored_80x24", shot(&mut tab, 80, 24));
    for view in View::ALL {
        tab.view = Some(view);
        let name = format!("colored_{}_120x40", view.name());
        insta::assert_snapshot!(name, shot(&mut tab, 120, 40));
    }
    tab.view = Some(View::Small);
    tab.on_action(Action::Open);
    insta::assert_snapshot!("colored_zoom_80x24", shot(&mut tab, 80, 24));
    let mut tab = colored(4, &TWO_SIZES[..1]);
    tab.on_action(Action::Open);
    insta::assert_snapshot!("transparent_zoom_80x24", shot(&mut tab, 80, 24));
}

/// A set with a copy in the test set, an image of one colour, and a class of two images.
fn checked() -> (Arc<Dataset>, Arc<Checked>) {
    let set = mini::load().unwrap();
    let image = |index: usize| set.image(index).unwrap();
    let images = |pixels| InMemory {
        pixels,
        channels: 1,
        height: 28,
        width: 28,
    };
    let train = [image(0), image(1), image(2), vec![9; 784], image(4)].concat();
    let train = Examples::in_memory(images(train), vec![0, 1, 0, 1, 0]);
    let test = Examples::in_memory(images([image(7), image(1)].concat()), vec![0, 1]);
    let set = Dataset {
        name: "garments".into(),
        classes: vec!["shirt".into(), "boot".into()],
        train,
        test,
        ..set
    };
    let source = Source::of_dataset(set.clone());
    let survey = check::survey(source, &|_, _| {}, &AtomicBool::new(false)).unwrap();
    (Arc::new(set), Arc::new(survey.checked(None)))
}

#[test]
fn a_check_is_shown_and_leads_to_the_images_of_a_finding() {
    let (set, checked) = checked();
    let mut tab = testing::lent(DataTab::default());
    tab.set_dataset(Arc::clone(&set));
    assert_eq!(
        tab.on_action(Action::CheckDataset),
        Request::CheckDataset("garments".into()).into()
    );
    assert!(shot(&mut tab, 80, 24).contains("checking garments …"));
    tab.set_checked(Arc::clone(&checked));
    insta::assert_snapshot!("report_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("report_120x40", shot(&mut tab, 120, 40));
    tab.on_action(Action::Up);
    assert!(
        matches!(tab.on_action(Action::Open), Effect::Say(_)),
        "a heading"
    );
    tab.on_action(Action::Down);
    assert_eq!(tab.on_action(Action::Open), Effect::None);
    assert_eq!(tab.shown, [6, 1], "the copy beside what it is a copy of");
    insta::assert_snapshot!("found_80x24", shot(&mut tab, 80, 24));
    tab.on_action(Action::Back);
    assert!(shot(&mut tab, 80, 24).contains("check of garments"));
    assert_eq!(tab.shown.len(), 7);
    tab.on_action(Action::Back);
    assert_eq!(
        tab.on_action(Action::CheckDataset),
        Effect::None,
        "once checked, it is shown"
    );
    assert_eq!(
        tab.on_action(Action::CheckDataset),
        Request::CheckDataset("garments".into()).into()
    );
    assert_eq!(
        tab.on_action(Action::Train),
        Effect::TrainOn("garments".into())
    );
    let mut other = filled();
    other.set_checked(checked);
    assert!(
        !shot(&mut other, 80, 24).contains("check of"),
        "of another set than is shown"
    );
}

#[test]
fn a_report_can_have_any_size_and_be_empty() {
    let set = testing::dataset(10, 12);
    let source = Source::of_dataset(set.clone());
    let survey = check::survey(source, &|_, _| {}, &AtomicBool::new(false)).unwrap();
    for checked in [checked(), (Arc::new(set), Arc::new(survey.checked(None)))] {
        let mut tab = testing::lent(DataTab::default());
        tab.set_dataset(checked.0);
        tab.set_checked(checked.1);
        for action in [Action::End, Action::PageUp, Action::PageDown, Action::Home] {
            tab.on_action(action);
            testing::survives(&mut tab);
        }
    }
}

/// Photos in files of their own, the second of which somebody deleted.
#[derive(Debug)]
struct Photos;

impl Store for Photos {
    fn size(&self, _: usize) -> (usize, usize) {
        (300, 400)
    }

    fn read(&self, index: usize, out: &mut [u8]) -> crate::error::Result<()> {
        if index == 1 {
            return Err(Error::input("rose/2.jpg", "is gone", "put it back"));
        }
        out.fill(90);
        Ok(())
    }

    fn announce(&self, _: usize) {}

    fn is_in_memory(&self) -> bool {
        false
    }

    fn name(&self, index: usize) -> Option<&str> {
        Some(
            [
                "rose/1.jpg",
                "rose/2.jpg",
                "a/very long/path of a file/that is/cut/in front/so that/its name/can be/read.jpg",
            ][index],
        )
    }

    fn bytes(&self) -> u64 {
        0
    }
}

fn photos() -> Dataset {
    Dataset {
        name: "a-name-of-64-letters-which-is-the-longest-that-a-set-can-have-xyz".into(),
        classes: vec!["a class with a name that is longer than what there is room for".into(); 2],
        channels: 3,
        height: 300,
        width: 400,
        train: Examples {
            images: Arc::new(Photos),
            labels: vec![0, 0, 1],
        },
        test: Examples::default(),
        ..testing::dataset(0, 0)
    }
}

#[test]
fn photos_are_told_by_their_files_and_those_that_cannot_be_read_by_why() {
    let mut tab = testing::lent(DataTab::default());
    tab.set_dataset(Arc::new(photos()));
    let shown = shot(&mut tab, 80, 24);
    assert!(shown.contains("… · 3 train, no test set · 2 classes · 300 × 400 RGB"));
    assert!(shown.contains("unreadable"));
    tab.on_action(Action::Right);
    assert!(shot(&mut tab, 80, 24).contains("rose/2.jpg is gone"));
    tab.on_action(Action::Open);
    insta::assert_snapshot!("unreadable_zoom_80x24", shot(&mut tab, 80, 24));
    testing::survives(&mut tab);
    tab.on_action(Action::Left);
    assert!(shot(&mut tab, 80, 24).contains("\n rose/1.jpg\n"));
    tab.on_action(Action::End);
    assert!(shot(&mut tab, 80, 24).contains("so that/its name/can be/read.jpg\n"));
    tab.on_action(Action::Back);
    tab.on_action(Action::Later);
    let line = shot(&mut tab, 80, 24).lines().nth(3).unwrap().to_owned();
    assert!(
        line.contains("… › · 2  ") && line.ends_with("balance  means"),
        "{line}"
    );
    tab.view = Some(View::Means);
    testing::survives(&mut tab);
}

#[test]
fn means_of_files_are_asked_for_once_and_never_worked_out_while_drawing() {
    let mut tab = testing::lent(DataTab::default());
    tab.set_dataset(Arc::new(photos()));
    let name = photos().name;
    assert_eq!(tab.asks_for_means(), None, "nobody looks at them");
    tab.view = Some(View::Means);
    assert!(shot(&mut tab, 80, 24).contains("Averaging the training images …"));
    assert_eq!(tab.asks_for_means().as_ref(), Some(&name));
    assert_eq!(tab.asks_for_means(), None);
    tab.set_status("averaging photos: 3 of 9 images; Esc cancels".into());
    let unreadable = means_of(&photos(), |_| true).map_err(|e| e.to_string());
    tab.set_means(&name, unreadable);
    let shown = shot(&mut tab, 80, 24);
    assert!(shown.contains("There are no means: rose/2.jpg is gone") && !shown.contains("3 of 9"));
    // Where it is excluded, it spoils no means; they are worked out again.
    tab.set_excluded(&name, Ok(BTreeMap::from([(1, "is gone".into())])));
    assert_eq!(tab.asks_for_means().as_ref(), Some(&name));
    let means = means_of(&photos(), |index| *index != 1).map_err(|e| e.to_string());
    tab.set_status("averaging flowers: 3 of 9 images; Esc cancels".into());
    tab.set_means("flowers", means.clone());
    let shown = shot(&mut tab, 80, 24);
    assert!(
        shown.contains("Averaging") && !shown.contains("flowers"),
        "of another set"
    );
    tab.set_means(&name, means);
    assert!(shot(&mut tab, 80, 24).contains("▸a class with a name"));
}

#[test]
fn only_parts_that_are_there_are_chosen() {
    let mut tab = filled();
    type_text(&mut tab, "test");
    tab.set_dataset(Arc::new(testing::colored(3, &TWO_SIZES)));
    assert_eq!(tab.shown.len(), 39);
    let counts = [30, 9, 39].map(|_| {
        tab.on_action(Action::CycleNumbers);
        tab.shown.len()
    });
    assert_eq!(counts, [30, 9, 39]);
    type_text(&mut tab, "test");
    assert!(shot(&mut tab, 120, 40).contains("has no test set"));
}

#[test]
fn images_of_several_sizes_and_their_means_are_seen_in_their_colours() {
    use ratatui::style::Color;
    let mut tab = colored(3, &TWO_SIZES);
    tab.view = Some(View::Large);
    let screen = testing::draw(&mut tab, 80, 40, &testing::theme());
    // 24 × 32 pixels are 32 columns and 12 rows; the square one stands in their middle, 24 columns wide.
    assert_eq!(screen[(1, 5)].symbol(), " ");
    assert_eq!(screen[(5, 5)].fg, Color::Rgb(0, 40, 80));
    assert_eq!(screen[(41, 5)].fg, Color::Rgb(0, 40, 80));
    tab.view = Some(View::Means);
    let screen = testing::draw(&mut tab, 80, 40, &testing::theme());
    let Color::Rgb(red, green, _) = screen[(14, 9)].fg else {
        panic!("no colour");
    };
    assert!(red > 150 && green < 100, "{red} {green}");
}
