//! Of a VGG only the convolutions.

use fmtui::net::hub::{Part, Reference};
use fmtui::storage::sha256;
use safetensors::SafeTensors;

use super::{ALWAYS, assert_nothing_in_place, fetch, hub, noise, reference, tensors};
use crate::hub_server::{FIRST, Fault, Server};

#[test]
fn of_a_vgg_only_the_features_are_fetched() {
    let whole = tensors(&[
        ("features.0.weight", 5_000),
        ("features.0.bias", 64),
        ("head.fc.weight", 500_000),
        ("pre_logits.fc1.weight", 700_000),
    ]);
    let part = Part::Named("features.");
    for faults in [
        vec![],
        vec![Fault::Drop(3)],
        vec![Fault::Status("503 Busy")],
    ] {
        let server = Server::with(&whole).faults(faults);
        let dir = tempfile::tempdir().unwrap();
        let hub = hub(&server, dir.path());
        let cached = fetch(&hub, &reference(), part).unwrap();
        let bytes = std::fs::read(&cached.path).unwrap();
        let (got, all) = (
            SafeTensors::deserialize(&bytes).unwrap(),
            SafeTensors::deserialize(&whole).unwrap(),
        );
        let mut names = got.names();
        names.sort_unstable();
        assert_eq!(names, ["features.0.bias", "features.0.weight"]);
        for name in names {
            assert_eq!(
                got.tensor(name).unwrap().data(),
                all.tensor(name).unwrap().data()
            );
        }
        let source = &cached.source;
        assert_eq!((source.part.as_str(), source.vouched), ("features.", false));
        assert!(cached.path.extension().is_some_and(|e| e == "unverified"));
        assert_eq!(source.sha256, sha256(&bytes));
        let sent = server.state.lock().unwrap().sent;
        assert!(sent < 4 * 5_064 + 2_000, "{sent} of {} bytes", whole.len());
        let again = fetch(&hub, &reference().at(FIRST), part).unwrap();
        assert_eq!(again, cached);
    }
    // A server that sends no parts sends all of it: verified as a whole, and the same part is cut out of it.
    let server = Server::with(&whole);
    let dir = tempfile::tempdir().unwrap();
    let by_ranges = fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    let server = Server::with(&whole).faults([Fault::IgnoreRange]);
    let dir = tempfile::tempdir().unwrap();
    let hub_of_wholes = hub(&server, dir.path());
    let cut_out = fetch(&hub_of_wholes, &reference(), part).unwrap();
    assert_eq!(cut_out.source.sha256, by_ranges.source.sha256);
    let kept = fetch(&hub_of_wholes, &reference().at(FIRST), Part::Whole).unwrap();
    assert!(kept.source.vouched);
    assert_eq!(std::fs::read(&kept.path).unwrap(), whole);
    // What is not a safetensors file has no parts.
    for file in ["model.safetensors", "pytorch_model.bin"] {
        let bytes = noise(11, 10_000);
        let server = Server::start();
        server.put(FIRST, file, &bytes);
        let dir = tempfile::tempdir().unwrap();
        let named = Reference::parse(&format!("hf:o/n:{file}")).unwrap();
        let cached = fetch(&hub(&server, dir.path()), &named, part).unwrap();
        assert_eq!(std::fs::read(&cached.path).unwrap(), bytes);
    }
}

#[test]
fn a_part_is_held_to_the_whole_once_that_is_here() {
    let part = Part::Named("features.");
    let [right, wrong] = ["head.a", "head"].map(|first| {
        // The same lengths; which numbers a tensor gets depends on its place.
        let mut all = vec![("features.0.weight", 500), (first, 500)];
        if first == "head" {
            all.reverse();
        }
        tensors(&all)
    });
    let of_right = {
        let dir = tempfile::tempdir().unwrap();
        let cached = fetch(&hub(&Server::with(&right), dir.path()), &reference(), part).unwrap();
        std::fs::read(cached.path).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let came = fetch(&hub(&Server::with(&wrong), dir.path()), &reference(), part).unwrap();
    assert!(!came.source.vouched && std::fs::read(&came.path).unwrap() != of_right);
    assert!(
        came.source
            .verified()
            .contains("fmtui weights fetch hf:o/n@1")
    );
    let server = Server::with(&right);
    let mut hub = hub(&server, dir.path());
    let pinned = reference().at(FIRST);
    assert_eq!(fetch(&hub, &pinned, part).unwrap(), came);
    fetch(&hub, &pinned, Part::Whole).unwrap();
    // At once, not only when it is next wanted.
    assert!(hub.cache.list().iter().all(|cached| cached.source.vouched));
    hub.offline = true;
    let held = fetch(&hub, &pinned, part).unwrap();
    assert!(held.source.vouched && !came.path.exists());
    let unverified = came.path.to_str().unwrap().strip_suffix(".unverified");
    assert_eq!(unverified, held.path.to_str());
    assert_eq!(std::fs::read(&held.path).unwrap(), of_right);
}

#[test]
fn a_part_that_was_given_up_goes_on_where_it_was() {
    let whole = tensors(&[("features.0.weight", 5_000), ("head.fc.weight", 100_000)]);
    let part = Part::Named("features.");
    let dir = tempfile::tempdir().unwrap();
    let drops = vec![Fault::Drop(9_000); 2].into_iter();
    let drops = drops.chain(vec![Fault::Drop(4_000); 3]);
    let given_up = fetch(
        &hub(&Server::with(&whole).faults(drops), dir.path()),
        &reference(),
        part,
    );
    let given_up = given_up.unwrap_err().to_string();
    assert!(given_up.contains("the download resumes"), "{given_up}");
    let left = hub(&Server::start(), dir.path()).cache.unfinished(None);
    assert_eq!(left.iter().map(|(_, bytes)| *bytes).sum::<u64>(), 12_000);

    let server = Server::with(&whole);
    let cached = fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    let sent = server.state.lock().unwrap().sent;
    assert!(
        sent < 8_000 + 500,
        "{sent} bytes for the 8,000 that are left"
    );
    let bytes = std::fs::read(&cached.path).unwrap();
    let (got, all) = (
        SafeTensors::deserialize(&bytes).unwrap(),
        SafeTensors::deserialize(&whole).unwrap(),
    );
    let name = "features.0.weight";
    assert_eq!(
        got.tensor(name).unwrap().data(),
        all.tensor(name).unwrap().data()
    );
    assert!(hub(&server, dir.path()).cache.unfinished(None).is_empty());
    // Another answer for the header makes other ranges: what came for those is left alone.
    let other = tensors(&[("head.fc.weight", 100_000), ("features.0.weight", 5_000)]);
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(&whole).faults(vec![Fault::Drop(9_000); 2].into_iter().chain(vec![
            Fault::Drop(
                4_000
            );
            3
        ]));
    let hub = hub(&server, dir.path());
    assert!(fetch(&hub, &reference(), part).is_err());
    server.put(FIRST, "model.safetensors", &other);
    let cached = fetch(&hub, &reference(), part).unwrap();
    let bytes = std::fs::read(&cached.path).unwrap();
    let all = SafeTensors::deserialize(&other).unwrap();
    let got = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(
        got.tensor(name).unwrap().data(),
        all.tensor(name).unwrap().data()
    );
}

#[test]
fn faults_on_the_way_of_a_part_end_in_the_right_bytes_or_a_clear_error_too() {
    use Fault::{Drip, Drop, Endless, ErrorPage, Loop, OtherRange, Short, Silent, Status};
    let whole = tensors(&[("features.0.weight", 5_000), ("head.fc.weight", 100_000)]);
    let part = Part::Named("features.");
    let fetched = |faults: Vec<Fault>| {
        let server = Server::with(&whole).faults(faults);
        let dir = tempfile::tempdir().unwrap();
        let cached = fetch(&hub(&server, dir.path()), &reference(), part);
        let bytes = cached.map(|cached| std::fs::read(&cached.path).unwrap());
        (bytes, dir)
    };
    let right = fetched(vec![]).0.unwrap();
    // A range goes on where it broke off: 20,000 bytes in pieces of 7,000, after the two requests for the header.
    let server = Server::with(&whole);
    let dir = tempfile::tempdir().unwrap();
    fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    let header = server.asked().len() - 1;
    let broken = [vec![Drop(9_000); header], vec![Drop(7_000); 2]].concat();
    let server = Server::with(&whole).faults(broken);
    let dir = tempfile::tempdir().unwrap();
    let cached = fetch(&hub(&server, dir.path()), &reference(), part).unwrap();
    assert_eq!(std::fs::read(&cached.path).unwrap(), right);
    let sent = server.state.lock().unwrap().sent;
    assert!(sent < 20_000 + 500, "{sent} bytes for 20,000");
    for fault in [
        Drop(1_000),
        Drip,
        Endless,
        ErrorPage,
        OtherRange,
        Short,
        Silent,
        Status("429 Too Many Requests\r\nRetry-After: 0"),
    ] {
        let (once, _) = fetched(vec![fault.clone()]);
        let once = once.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert!(once == right, "{fault:?}: other bytes");
    }
    for fault in [
        Drop(0),
        Drip,
        Endless,
        ErrorPage,
        Loop,
        OtherRange,
        Short,
        Silent,
        Status("403 Forbidden"),
    ] {
        let (always, dir) = fetched(vec![fault.clone(); ALWAYS]);
        let Err(error) = always else {
            panic!("{fault:?}: nothing went wrong");
        };
        let message = error.to_string();
        assert!(
            message.starts_with("cannot download") && message.lines().count() == 1,
            "{fault:?}: {message}"
        );
        assert_nothing_in_place(dir.path(), &message);
    }
}
