use super::*;

fn state(value: f32) -> StateDict {
    StateDict::from([
        (
            "a.weight".into(),
            Array {
                shape: vec![2, 2],
                values: vec![value, 1.5, -2.0, f32::MIN_POSITIVE],
            },
        ),
        (
            "optimizer.m.a.weight".into(),
            Array {
                shape: vec![1],
                values: vec![0.1],
            },
        ),
    ])
}

/// No `..Default` here: a new field must be added, and so is round-tripped.
fn progress(step: u64) -> TrainingProgress {
    TrainingProgress {
        format: 2,
        step,
        epoch: 3,
        batch: 7,
        epoch_loss: 0.1 + 0.2,
        epoch_correct: 11,
        epoch_images: 12,
        epoch_seconds: 1.0 / 3.0,
        elapsed_seconds: 1e-9,
        learning_rate_factor: 0.3,
        best: Some(Best {
            epoch: 2,
            accuracy: 0.9,
            loss: 0.1,
            file_sha256: "x".into(),
        }),
        monitored: Some(0.7),
        stale_epochs: 1,
        frozen: Some("layer2".into()),
        early: Some("stopped early".into()),
        training_seconds: 2.0f64.sqrt(),
        history: Vec::new(),
        interventions: vec![Intervention {
            step: 5,
            what: "learning_rate".into(),
            value: 1e-4,
        }],
        log_length: 99,
        recipe_sha256: "r".into(),
        data_sha256: "d".into(),
        version: "v".into(),
    }
}

#[test]
fn everything_survives_and_two_generations_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    for step in [5, 10, 15, 15] {
        save(dir.path(), &state(step as f32), &progress(step)).unwrap();
    }
    let loaded = load_newest(dir.path()).unwrap();
    assert_eq!((loaded.state, loaded.progress), (state(15.0), progress(15)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn what_is_saved_ends_the_history_that_was_given_up() {
    let dir = tempfile::tempdir().unwrap();
    for step in [5, 10, 7] {
        save(dir.path(), &state(step as f32), &progress(step)).unwrap();
    }
    assert_eq!(load_newest(dir.path()).unwrap().progress, progress(7));
    assert_eq!(newest_progress(dir.path()), Some(progress(7)));
    assert!(!generation(dir.path(), 10).exists());
}

#[test]
fn of_one_step_the_newer_one_counts_also_after_a_death_before_the_old_one_went() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &state(1.0), &progress(5)).unwrap();
    let place = generation(dir.path(), 5);
    fs::rename(&place, place.with_extension("old")).unwrap();
    assert_eq!(load_newest(dir.path()).unwrap().state, state(1.0));
    save(dir.path(), &state(2.0), &progress(5)).unwrap();
    assert_eq!(load_newest(dir.path()).unwrap().state, state(2.0));
    // Both are there.
    let old = tempfile::tempdir().unwrap();
    save(old.path(), &state(1.0), &progress(5)).unwrap();
    fs::rename(generation(old.path(), 5), place.with_extension("old")).unwrap();
    assert_eq!(load_newest(dir.path()).unwrap().state, state(2.0));
}

#[test]
fn checkpoints_of_version_0_1_do_not_say_why_training_ended() {
    let mut json = serde_json::to_value(progress(5)).unwrap();
    json.as_object_mut().unwrap().remove("early");
    let read: TrainingProgress = serde_json::from_value(json).unwrap();
    let expected = TrainingProgress {
        early: None,
        ..progress(5)
    };
    assert_eq!(read, expected);
}

#[test]
fn a_broken_generation_is_skipped_and_named() {
    for file in [STATE_FILE, PROGRESS_FILE, MANIFEST_FILE] {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), &state(1.0), &progress(1)).unwrap();
        save(dir.path(), &state(2.0), &progress(2)).unwrap();
        let path = generation(dir.path(), 2).join(file);
        let bytes = fs::read(&path).unwrap();
        for cut in (0..bytes.len()).step_by(7) {
            fs::write(&path, &bytes[..cut]).unwrap();
            let loaded = load_newest(dir.path()).unwrap();
            assert_eq!(
                (loaded.progress.step, loaded.skipped.len()),
                (1, 1),
                "{file} cut at {cut}"
            );
        }
    }
}

#[test]
fn none_left_says_why() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        load_newest(dir.path())
            .err()
            .unwrap()
            .to_string()
            .contains("no checkpoint yet")
    );
}

#[test]
fn the_hash_sees_every_bit() {
    assert_eq!(state_sha256(&state(1.0)), state_sha256(&state(1.0)));
    assert_ne!(
        state_sha256(&state(1.0)),
        state_sha256(&state(1.0f32.next_up()))
    );
}

#[test]
fn an_epoch_under_way_of_0_1_keeps_its_sums() {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/run-0.1/state-0000000090");
    let old = std::fs::read_to_string(directory.join(PROGRESS_FILE)).unwrap();
    assert!(old.contains("\"epoch_pictures\": 0"));
    let under_way = old.replace("\"epoch_pictures\": 0", "\"epoch_pictures\": 128");
    let progress: TrainingProgress = serde_json::from_str(&under_way).unwrap();
    assert_eq!(progress.epoch_images, 128);
}
