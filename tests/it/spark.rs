//! A Spark query that was planned before a file was swapped has to be run again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rollbook::sim::Change;

use crate::bed::Ran;
use crate::place::{Place, SESSIONS, account, changes, served};
use crate::python::python;

#[test]
fn a_query_planned_before_a_swap_is_wrong_and_right_when_it_is_run_again() {
    let place = Place::folder();
    let few: Vec<_> = (10..SESSIONS).map(|index| Change::delete(&*account().session(index).id)).collect();
    let ran = Ran::of(place.export(&served(few), "data").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut spark = Command::new(python());
    spark.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/spark_swap.py")).arg(place.path("data"));
    let mut spark = spark.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut answers = BufReader::new(spark.stdout.take().unwrap()).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "planned");
    let ran = Ran::of(place.export(&served(changes()), "data").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    writeln!(spark.stdin.take().unwrap(), "swapped").unwrap();
    let found: Vec<_> = answers.map(Result::unwrap).collect();
    assert!(spark.wait().unwrap().success(), "{found:?}");
    let [planned, again] = &found[..] else { panic!("{found:?}") };
    assert_eq!(*again, (SESSIONS + 2).to_string(), "{found:?}");
    // Fewer rows than before the swap, and no error: the file has grown, and what Spark takes to be its share of it, by
    // the length that it remembers, does not hold the middle of a row group.
    assert_eq!(planned, "0", "{found:?}");
}
