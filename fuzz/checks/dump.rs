//! Payloads for RESTORE, with footers of any kind: the given one, and a right one.

use lockstep::rdb::dump::{decode, encode_string, seal, verify};
use lockstep::rdb::encode::Encoder;
use lockstep::rdb::format::Dialect;
use lockstep::types::{Limits, Value};

pub fn check(input: &[u8]) {
    if let Ok(body) = verify(input, false) {
        let _ = decode(&body, &Limits::default());
    }
    for dialect in [Dialect::Redis, Dialect::Valkey] {
        let sealed = seal(input.to_vec(), dialect);
        let body = verify(&sealed, true).expect("sealed right");
        if let Ok(Value::String(value)) = decode(&body, &Limits::default()) {
            let again = encode_string(&mut Encoder::default(), &value);
            let body = verify(&again, true).expect("sealed right");
            let decoded = decode(&body, &Limits::default());
            assert!(matches!(decoded, Ok(Value::String(same)) if same == value));
        }
    }
}
