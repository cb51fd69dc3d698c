//! Single values of a record: one of a wrong type becomes null, and an anomaly. An empty text is no value.

use std::borrow::Cow;

use crate::anomaly::{Anomalies, Anomaly};
use crate::api::lenient::Scalar;
use crate::timestamp;

/// A time, in microseconds.
pub fn time(value: &Scalar<'_>, reader: &mut timestamp::Reader, anomalies: &mut Anomalies) -> Option<i64> {
    let parsed = if let Scalar::Text(text) = value { reader.parse(text) } else { None };
    if parsed.is_none() && !value.is_absent() {
        anomalies.add(Anomaly::BadTimestamp);
    }
    parsed
}

/// A text as it is, a whole number in digits.
pub fn text<'a>(value: &'a Scalar<'_>, anomalies: &mut Anomalies) -> Option<Cow<'a, str>> {
    let text = value.text();
    if text.is_none() && !value.is_absent() {
        anomalies.add(Anomaly::BadValue);
    }
    text
}

/// A number, also one in a text.
#[allow(clippy::cast_precision_loss)] // the API reports a double; so many digits are not in use
pub fn double(value: &Scalar<'_>, anomalies: &mut Anomalies) -> Option<f64> {
    let number = match value {
        Scalar::Integer(number) => Some(*number as f64),
        Scalar::Large(number) => Some(*number as f64),
        Scalar::Float(number) => Some(*number),
        Scalar::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    };
    if number.is_none() && !value.is_absent() {
        anomalies.add(Anomaly::BadValue);
    }
    number
}
