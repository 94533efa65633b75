use super::scheduler::tests::{Fake, fake};
use super::*;
use proptest::prelude::*;

fn names(queue: &Queue) -> Vec<String> {
    queue.jobs.iter().map(|job| job.run.clone()).collect()
}

/// What somebody may do to a queue.
#[derive(Clone, Debug)]
enum Change {
    Add { count: usize, first: bool },
    Place { runs: Vec<usize>, at: usize },
    Remove { runs: Vec<usize> },
    End { run: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let runs = || prop::collection::vec(0..12_usize, 0..4);
    prop_oneof![
        (1..4_usize, any::<bool>()).prop_map(|(count, first)| Change::Add { count, first }),
        (runs(), 0..12_usize).prop_map(|(runs, at)| Change::Place { runs, at }),
        runs().prop_map(|runs| Change::Remove { runs }),
        (0..12_usize).prop_map(|run| Change::End { run }),
    ]
}

proptest! {
    /// Whatever is done, no job is lost or twice in the queue, and the order is that of a plain list.
    #[test]
    fn a_queue_is_a_list(changes in prop::collection::vec(change(), 0..40)) {
        let (mut queue, mut list) = (Queue::default(), Vec::<String>::new());
        let mut made = 0;
        for change in changes {
            let of = |runs: &[usize]| -> Vec<String> {
                let mut named: Vec<String> = runs.iter().map(|run| format!("run-{run}")).collect();
                named.dedup();
                named
            };
            match change {
                Change::Add { count, first } => {
                    let runs: Vec<String> = (made..made + count).map(|n| format!("run-{n}")).collect();
                    made += count;
                    queue.add(&runs, first, false);
                    list = if first { [runs, list].concat() } else { [list, runs].concat() };
                }
                Change::Place { runs, at } => {
                    let runs = of(&runs);
                    queue.place(&runs, at);
                    let mut moved = Vec::new();
                    for run in &runs {
                        if list.contains(run) && !moved.contains(run) {
                            moved.push(run.clone());
                        }
                    }
                    list.retain(|run| !moved.contains(run));
                    let at = at.min(list.len());
                    list.splice(at..at, moved);
                }
                Change::Remove { runs } => {
                    let runs = of(&runs);
                    queue.remove(&runs);
                    list.retain(|run| !runs.contains(run));
                }
                Change::End { run } => {
                    let run = format!("run-{run}");
                    queue.end(&run, Status::Finished);
                    list.retain(|other| *other != run);
                }
            }
            prop_assert_eq!(names(&queue), list.clone());
            let path = std::path::Path::new("queue.json");
            prop_assert_eq!(Queue::parse(&queue.to_json().unwrap(), path).unwrap(), queue.clone());
        }
    }
}

#[test]
fn a_damaged_queue_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(dir.path());
    std::fs::create_dir_all(workspace.queue_dir()).unwrap();
    for (text, part) in [
        ("{", "is damaged"),
        (r#"{"format": 2}"#, "of a newer fmtui"),
        (r#"{"jobs": 3}"#, "is damaged"),
    ] {
        std::fs::write(workspace.queue_path(), text).unwrap();
        let refused = workspace.edit_queue(|queue| {
            queue.held = true;
            Ok(())
        });
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains(part) && refused.contains("queue.json"),
            "{refused}"
        );
        assert_eq!(
            std::fs::read_to_string(workspace.queue_path()).unwrap(),
            text
        );
    }
}

#[test]
fn eight_threads_lose_no_job() {
    let Fake { workspace, .. } = &fake();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let recipe = Recipe {
                        profile: Profile::new("mlp"),
                        group: String::new(),
                    };
                    workspace.enqueue(&[recipe], false, true).unwrap();
                }
            });
        }
    });
    let mut runs = names(&workspace.queue().unwrap());
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 80);
    let mut ids = workspace.ids();
    ids.sort();
    assert_eq!(runs, ids);
}

#[test]
fn counts_are_told_in_words() {
    let words = |running, waiting, held| {
        let counts = Counts {
            running,
            waiting,
            held,
        };
        counts.words()
    };
    assert_eq!(words(2, 3, 0), "2 running · 3 queued");
    assert_eq!(words(0, 0, 1), "1 held");
    assert_eq!(words(0, 0, 0), "");
}
