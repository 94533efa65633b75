use super::machine::MOST_OPERATIONS;
use super::*;

/// `pickle.dumps({"a": [1, -2, 70000, 2.5, None, True], "b": (1, "x")}, 2)`.
const PLAIN: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffJp\x11\x01\x00G@\x04\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x03K\x01X\x01\x00\x00\x00xq\x04\x86q\x05u.";

#[test]
fn plain_values_are_read() {
    let pickle = read(PLAIN).unwrap();
    assert_eq!(pickle.length, PLAIN.len());
    let entries = pickle.entries(pickle.root());
    assert_eq!(entries[0].0, "a");
    let items: Vec<&Value> = pickle.items(entries[0].1).unwrap().collect();
    assert_eq!(
        items,
        [
            &Value::Int(1),
            &Value::Int(-2),
            &Value::Int(70_000),
            &Value::Float(2.5),
            &Value::None,
            &Value::Bool(true)
        ]
    );
    let [_, x] = pickle.first(entries[1].1).unwrap();
    assert_eq!(*x, Value::Text("x".into()));
    assert!(pickle.first::<3>(entries[1].1).is_none());
}

/// `os.system("…")` as a pickle would call it: it is noted down, and nothing happens.
#[test]
fn calls_are_only_noted_down() {
    let path = std::env::temp_dir().join("fmtui-pickle-must-not-exist");
    let command = format!("touch {}", path.display());
    let mut bytes = b"\x80\x02cos\nsystem\nX".to_vec();
    bytes.extend(u32::try_from(command.len()).unwrap().to_le_bytes());
    bytes.extend(command.as_bytes());
    bytes.extend(b"\x85R.");
    let pickle = read(&bytes).unwrap();
    let Value::Called { what, .. } = pickle.root() else {
        panic!("{:?}", pickle.root());
    };
    assert_eq!(pickle.get(*what), &Value::Global("os.system".into()));
    assert!(!path.exists());
}

#[test]
fn every_truncation_is_an_error() {
    for end in 0..PLAIN.len() {
        assert!(read(&PLAIN[..end]).is_err(), "{end}");
    }
}

/// Each list holds the one before twice: 2^100 items if anybody counted them.
#[test]
fn sharing_and_nesting_cost_nothing() {
    let mut bytes = b"\x80\x02]q\x00".to_vec();
    for _ in 0..100_000 {
        bytes.extend(b"h\x00h\x00\x86q\x00");
    }
    bytes.push(b'.');
    drop(read(&bytes).unwrap());
    let endless = [b"\x80\x02".to_vec(), vec![b'N'; MOST_OPERATIONS + 1]].concat();
    assert!(read(&endless).unwrap_err().contains("more than"));

    // A long text is there once however often it is used, but a name made of it would be another.
    let mut bytes = b"\x80\x02X\x00\x00\x10\x00".to_vec();
    bytes.extend(vec![b'a'; 1 << 20]);
    bytes.extend(b"q\x00h\x00h\x00\x93.");
    assert!(read(&bytes).unwrap_err().contains("names of functions"));
}
