use std::collections::BTreeSet;

use super::*;

/// Serde names the fields of a table to whoever writes one that there is not.
fn fields(table: &str) -> BTreeSet<String> {
    let head = if table.is_empty() {
        String::new()
    } else {
        format!("[{table}]\n")
    };
    let refused = toml::from_str::<Profile>(&format!("{head}there_is_none = 1\n")).unwrap_err();
    let names = refused.message().split('`').skip(1).step_by(2).skip(1);
    names.map(str::to_owned).collect()
}

#[test]
fn every_field_of_a_recipe_is_a_row() {
    for (table, _) in TABLES {
        let mut rows: BTreeSet<String> = of_table(table).map(|s| s.name().into()).collect();
        assert!(!rows.is_empty(), "{table}");
        let inside = TABLES.iter().filter_map(|(inside, _)| {
            let (of, name) = inside.rsplit_once('.').unwrap_or(("", inside));
            (of == table && !name.is_empty()).then(|| name.to_owned())
        });
        rows.extend(inside);
        if table.is_empty() {
            rows.extend(["format", "run", "result", "history"].map(str::to_owned));
        }
        assert_eq!(rows, fields(table), "[{table}]");
    }
    let keys: BTreeSet<&str> = ALL.iter().map(|s| s.key).collect();
    assert_eq!(keys.len(), ALL.len());
}

/// Every choice of a row is one of its type, and none of the type's is missing.
#[test]
fn every_choice_of_a_type_is_a_choice_of_its_row() {
    let mut count = 0;
    for setting in ALL {
        let Kind::Choice(names) = setting.kind else {
            continue;
        };
        count += 1;
        let (table, name) = setting.key.rsplit_once('.').unwrap();
        let text = format!("[{table}]\n{name} = \"there-is-none\"\n");
        let refused = toml::from_str::<Profile>(&text).unwrap_err();
        let known: Vec<&str> = refused.message().split('`').skip(3).step_by(2).collect();
        assert_eq!(known, names, "{}", setting.key);
    }
    assert!(count > 10);
}

#[test]
fn every_row_can_be_read_on_a_screen() {
    let usual = Profile::new("lenet5");
    for setting in ALL {
        assert!(
            (5..=78).contains(&setting.help.chars().count()),
            "{}",
            setting.key
        );
        let shown = setting.show(&usual);
        let is_sha = setting.key.ends_with("_sha256");
        let is_left_out = shown == setting.left_out && matches!(setting.kind, Kind::PerChannel(_));
        let is_typed = !matches!(setting.kind, Kind::Tables(_) | Kind::Factors(_));
        if !shown.is_empty() && is_typed && !is_left_out {
            let mut other = usual.clone();
            setting
                .put(&mut other, setting.read(&shown).unwrap())
                .unwrap();
            assert_eq!(setting.show(&other), shown);
            setting.copy(&usual, &mut other);
            assert_eq!(other, usual);
        }
        assert!(setting.validate(&usual).is_ok() && (!is_sha || shown == "none"));
    }
}

#[test]
fn bounds_are_told_in_words() {
    let told = |key: &str| find(key).unwrap().expected();
    assert_eq!(told("train.batch_size"), "a whole number from 1 to 65,536");
    assert_eq!(told("train.optimizer.epsilon"), "a number from 1e-30 to 1");
    assert_eq!(
        told("data.mean"),
        "a number from -1,000 to 1,000, or a list of one for each channel"
    );
    assert_eq!(told("data.test_fraction"), "a number above 0 and below 1");
    assert_eq!(told("data.channels"), "auto, 1 or 3");
    assert_eq!(
        told("train.optimizer.betas"),
        "a list of 2 numbers from 0 to 0.9999999"
    );
    assert_eq!(
        told("model.hidden"),
        "a list of at most 64 whole numbers from 1 to 1,048,576"
    );
    assert_eq!(told("train.loss"), "one of cross-entropy, mse");
}

#[test]
fn keys_that_are_not_there_name_those_that_are() {
    for (key, said) in [
        ("train.epoch", "did you mean `train.epochs`?"),
        ("epochs", "did you mean `train.epochs`?"),
        (
            "train.learning_rate",
            "did you mean `train.optimizer.learning_rate`?",
        ),
        ("train.kind", ".kind`?"),
        ("nmae", "did you mean `name`?"),
        (
            "train.schedule",
            "is a table; set one of train.schedule.kind, ",
        ),
        ("train.zzzzzzzzzzzz", "set one of train.epochs, "),
        ("zzzzzzzzzzzz", "docs/profile.md lists every key"),
        ("lr", "did you mean `train.optimizer.learning_rate`?"),
        (
            "train.optimizer.lr",
            "did you mean `train.optimizer.learning_rate`?",
        ),
        ("model.arch", "did you mean `model.architecture`?"),
        ("data.val", "did you mean `data.validation`?"),
        ("batchsize", "did you mean `train.batch_size`?"),
        ("run.id", "is written by runs"),
        ("format.x", "is written by runs"),
        ("", "the setting is not a known key"),
    ] {
        let refused = read(key, "1").unwrap_err().to_string();
        assert!(refused.contains(said), "{key}: {refused}");
    }
}

#[test]
fn what_is_typed_is_read_as_its_kind() {
    let shown = |key: &str, text: &str| {
        let mut profile = Profile::new("mlp");
        let setting = find(key).unwrap();
        setting.put(&mut profile, setting.read(text)?)?;
        Ok::<_, Error>(setting.show(&profile))
    };
    for (key, text, expected) in [
        ("name", "2026", "2026"),
        ("name", "\"true\"", "true"),
        ("name", " 1e-3 # a", "1e-3 # a"),
        ("train.device", "cpu", "cpu"),
        ("train.batch_size", "1_000", "1000"),
        ("train.optimizer.learning_rate", ".5", "0.5"),
        ("train.optimizer.learning_rate", "1", "1"),
        ("train.optimizer.betas", "[0.5, 0.9]", "0.5, 0.9"),
        ("model.hidden", "20, 50 20", "20, 50, 20"),
        ("model.pretrained", "none", "none"),
        ("train.optimizer.nesterov", "true", "true"),
    ] {
        assert_eq!(shown(key, text).unwrap(), expected, "{key}={text}");
    }
    for (key, text, said) in [
        (
            "train.epochs",
            "many",
            "train.epochs is `many`; give a whole number from 1 to 1,000,000",
        ),
        (
            "train.epochs",
            "2.5",
            "train.epochs is 2.5; give a whole number",
        ),
        (
            "train.clip",
            "nan",
            "train.clip is NaN; give a number from 0 to 1,000,000,000",
        ),
        (
            "train.loss",
            "msee",
            "train.loss has no value `msee`; did you mean `mse`?",
        ),
        (
            "train.optimizer.nesterov",
            "yes",
            "is `yes`; give true or false",
        ),
        (
            "model.hidden",
            "20,x",
            "model.hidden[1] is `x`; give a whole number",
        ),
        (
            "train.optimizer.betas",
            "0.9",
            "has 1 number; give a list of 2 numbers",
        ),
        ("train.device", "", "train.device is empty"),
        ("model.layers", "3", "is 3; give a list of layers"),
    ] {
        let refused = shown(key, text).unwrap_err().to_string();
        assert!(refused.contains(said), "{key}={text}: {refused}");
    }
}

#[test]
fn a_table_of_numbers_is_set_entry_by_entry() {
    assert_eq!(
        read("train.lr_multipliers.layer1", "0.1").unwrap(),
        Value::Float(0.1)
    );
    for (key, text, said) in [
        (
            "train.lr_multipliers.layer1",
            "0",
            "train.lr_multipliers.layer1 is 0; give a number above 0",
        ),
        ("train.lr_multipliers.a b", "1", "is not a known key"),
        ("train.lr_multipliers.", "1", "is not a known key"),
    ] {
        let refused = read(key, text).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}
