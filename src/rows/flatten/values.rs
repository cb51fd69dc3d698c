//! Single values of a record: one of a wrong type becomes null, and an anomaly; one that is too long is cut, or null if it
//! is an id. An empty text is no value.

use std::borrow::Cow;

use crate::rows::anomaly::{Anomalies, Anomaly};
use crate::rows::lenient::{Scalar, Time};
use crate::words::limits;

/// A time, in microseconds.
pub fn time(value: Time, anomalies: &mut Anomalies) -> Option<i64> {
    if value.is_bad() {
        anomalies.add(Anomaly::BadTimestamp);
    }
    value.at()
}

/// A text as it is, a whole number in digits.
pub fn text<'a>(value: &'a Scalar<'_>, anomalies: &mut Anomalies) -> Option<Cow<'a, str>> {
    let text = read(value, anomalies)?;
    if text.len() <= limits::TEXT {
        return Some(text);
    }
    anomalies.add(Anomaly::CutText);
    Some(limits::cut_cow(text, limits::TEXT))
}

/// The same of an id: half of one would be another one.
pub fn id<'a>(value: &'a Scalar<'_>, anomalies: &mut Anomalies) -> Option<Cow<'a, str>> {
    let id = read(value, anomalies)?;
    if id.len() <= limits::ID {
        return Some(id);
    }
    anomalies.add(Anomaly::LongId);
    None
}

fn read<'a>(value: &'a Scalar<'_>, anomalies: &mut Anomalies) -> Option<Cow<'a, str>> {
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
