use serde_json::json;

use super::*;

/// A file around a small recipe, its last lines given.
fn file(rest: &str) -> String {
    format!(
        "[sweep]\nname = \"s\"\n[model]\narchitecture = \"mlp\"\nhidden = [20]\n[train]\nepochs = 9\n{rest}"
    )
}

fn read_with(text: &str, changes: &[&str]) -> Result<Sweep> {
    let changes: Vec<String> = changes.iter().map(|c| (*c).into()).collect();
    let base = |name: &str| match name {
        "lenet5" => Ok(
            "[model]\narchitecture = \"lenet5\"\n[train]\nbatch_size = 32"
                .parse()
                .unwrap(),
        ),
        other => Err(Error::input(other, "is none", "name one")),
    };
    Sweep::parse(text, "sweep.toml", (&changes, "file"), &base)
}

fn read(text: &str) -> Result<Sweep> {
    read_with(text, &[])
}

fn distribution<'a>(sweep: &'a Sweep, name: &str) -> &'a Distribution {
    let place = sweep.space.place(name).unwrap();
    &sweep.space.parameters[place].distribution
}

const SPACE: &str = "[space]\n\"train.optimizer.learning_rate\" = { low = 1e-4, high = 0.1 }\n";

#[test]
fn bounds_and_scale_are_the_settings_own() {
    let sweep = read(&file(
        "[space]
        \"train.optimizer.learning_rate\" = { low = 1e-4, high = 0.1 }
        train.batch_size = { low = 16, high = 256 }
        train.label_smoothing = { low = 0, high = 0.2, step = 0.05 }
        \"train.optimizer.nesterov\" = { values = \"any\", when = { \"train.optimizer.kind\" = [\"sgd\"] } }
        \"train.schedule.kind\" = [\"constant\", \"cosine\"]
        \"model.activation\" = \"any\"
        \"model.hidden\" = [[20], [100, 50]]
        \"augment.flip\" = \"any\"
        \"train.optimizer.momentum\" = { low = 0.1, high = 0.9, when = { \"train.optimizer.kind\" = [\"sgd\"] } }
        \"train.optimizer.kind\" = [\"sgd\", \"adam\"]",
    ))
    .unwrap();
    let range = |name| match distribution(&sweep, name) {
        Distribution::Number(range) => *range,
        Distribution::Choice(_) => panic!("{name}"),
    };
    let rate = range("train.optimizer.learning_rate");
    assert_eq!(
        (rate.low, rate.high, rate.log, rate.step),
        (1e-4, 0.1, true, None)
    );
    let batch = range("train.batch_size");
    assert_eq!(
        (batch.is_whole, batch.log, batch.step),
        (true, true, Some(1.0))
    );
    assert_eq!(range("train.label_smoothing").count(), Some(5));
    assert_eq!(
        (range("augment.flip").low, range("augment.flip").high),
        (0.0, 1.0)
    );
    assert_eq!(
        *distribution(&sweep, "model.hidden"),
        Distribution::Choice(vec![json!("20"), json!("100, 50")])
    );
    let point = sweep
        .space
        .point(|at, of| match (&*sweep.space.parameters[at].name, of) {
            ("model.hidden", _) => 1.0,
            (_, Distribution::Number(range)) => range.high,
            _ => 0.0,
        });
    let recipe = sweep.recipe(&sweep.space.assign(&point)).unwrap();
    assert_eq!(recipe.model.hidden, [100, 50]);
    assert_eq!(recipe.train.batch_size, 256);
    assert_eq!(recipe.train.optimizer.momentum, 0.9);
    assert!(!recipe.train.test && recipe.train.epochs == 9);
    let again = read(&sweep.to_toml()).unwrap();
    assert_eq!(again, sweep);
}

#[test]
fn settings_and_recipe_are_changed_alike() {
    let text = format!("[sweep]\nbase = \"lenet5\"\nsampler = \"random\"\n{SPACE}");
    let sweep = read_with(
        &text,
        &[
            "sweep.trials=12",
            "sweep.objective = [validation-accuracy, parameters]",
            "train.epochs=3",
        ],
    )
    .unwrap();
    assert_eq!(sweep.settings.trials, 12);
    assert_eq!(sweep.objectives.len(), 2);
    let recipe = sweep
        .recipe(&sweep.space.assign(&sweep.some_point(0)))
        .unwrap();
    assert_eq!((recipe.train.epochs, recipe.train.batch_size), (3, 32));
    let again = read(&sweep.to_toml()).unwrap();
    assert_eq!(again.recipe(&[]).unwrap(), sweep.recipe(&[]).unwrap());
}

#[test]
fn layers_come_from_a_template() {
    let text = "[sweep]\n[model]\narchitecture = \"custom\"
        [[model.layers]]
        kind = \"repeat\"
        times = \"$depth\"
        growth = { \"$width\" = 2 }
        layers = [{ kind = \"conv2d\", out_channels = \"$width\", kernel_size = 3, padding = 1, activation = \"$activation\" }]
        [[model.layers]]
        kind = \"flatten\"
        [[model.layers]]
        kind = \"linear\"
        out_features = 10
        [space]
        \"$depth\" = { low = 1, high = 3 }
        \"$width\" = [8, 16]
        \"$activation\" = [\"relu\", \"gelu\"]";
    let sweep = match read(text) {
        Ok(sweep) => sweep,
        Err(error) => panic!("{error}"),
    };
    let with = |depth: f64| {
        let point = sweep
            .space
            .point(|at, _| match &*sweep.space.parameters[at].name {
                "$depth" => depth,
                _ => 1.0,
            });
        let recipe = sweep.recipe(&sweep.space.assign(&point)).unwrap();
        toml::to_string(&recipe).unwrap()
    };
    let three = with(3.0);
    for channels in [16, 32, 64] {
        assert!(
            three.contains(&format!("out_channels = {channels}\n")),
            "{three}"
        );
    }
    assert_eq!(three.matches("gelu").count(), 3);
    assert_eq!(with(1.0).matches("kind = \"conv2d\"").count(), 1);
}

#[test]
fn what_cannot_be_searched_is_refused_by_its_key() {
    let of = |text: &str| match read(text) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("read: {text}"),
    };
    for (rest, words) in [
        ("", "has no [space]"),
        ("[space]", "is empty"),
        (
            "[space]\n\"train.epoch\" = [1]",
            "did you mean `train.epochs`?",
        ),
        (
            "[space]\n\"train.batch_size\" = 7",
            "says not what is tried",
        ),
        ("[space]\n\"train.batch_size\" = []", "is an empty list"),
        ("[space]\n\"train.batch_size\" = [8, 8]", "has 8 twice"),
        (
            "[space]\n\"train.batch_size\" = [0]",
            "space.train.batch_size",
        ),
        (
            "[space]\n\"train.batch_size\" = { low = 0, high = 8 }",
            "space.train.batch_size.low",
        ),
        (
            "[space]\n\"train.batch_size\" = { low = 9, high = 8 }",
            "low end above its high end",
        ),
        (
            "[space]\n\"train.clip\" = { low = 0, high = 8, log = true }",
            "begins at 0",
        ),
        (
            "[space]\n\"train.clip\" = { low = 1, high = 8, stap = 1 }",
            "did you mean `step`?",
        ),
        (
            "[space]\n\"train.optimizer.kind\" = { low = 1, high = 2 }",
            "takes no range",
        ),
        (
            "[space]\n\"train.optimizer.kind\" = [\"sgd\", \"lion\"]",
            "lion",
        ),
        (
            "[space]\n\"train.seed\" = [1, 2]",
            "is the same for all trials",
        ),
        (
            "[space]\n\"train.test\" = \"any\"",
            "is the same for all trials",
        ),
        (
            "[space]\n\"train.clip\" = { low = 1, high = 8, when = { \"train.optimizer.kind\" = [\"sgd\"] } }",
            "holds for no trial",
        ),
        (
            "[space]\n\"model.architecture\" = [\"mlp\", \"perceptron\"]\n\"model.init\" = [\"he\"]",
            "the recipe with",
        ),
        (
            "[data]\nvalidation = 0\n[space]\n\"train.clip\" = [0, 1]",
            "never reads the test set",
        ),
    ] {
        let error = of(&file(rest));
        assert!(error.contains(words), "{rest}\n{error}");
    }
    for (settings, words) in [
        ("trails = 3", "did you mean `sweep.trials`?"),
        ("trials = 0", "sweep.trials"),
        ("sampler = \"bohb\"", "sweep.sampler"),
        (
            "objective = \"test-accuracy\"",
            "search for validation-accuracy",
        ),
        (
            "objective = \"validation-acuracy\"",
            "did you mean `validation-accuracy`?",
        ),
        ("objective = []", "names none"),
        (
            "objective = [\"seconds\", \"parameters\"]",
            "knows one objective",
        ),
        (
            "objective = \"seconds\"\npruner = \"asha\"",
            "needs an objective that each epoch has",
        ),
        ("sampler = \"grid\"", "takes any number"),
        ("base = \"lenet6\"", "lenet6 is none"),
    ] {
        let error = of(&file(SPACE).replacen("name = \"s\"", settings, 1));
        assert!(error.contains(words), "{settings}\n{error}");
    }
}
