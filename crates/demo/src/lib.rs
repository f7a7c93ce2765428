//! A made-up city's data for demonstrations, tests and benchmarks. The same seed gives the same bytes on every machine and in every
//! version: nothing here reads a clock or the system's randomness.
//!
//! Regions and the names of organs are those of Langfang; everybody else is invented. Codes pass every check but belong to nobody:
//! organisation codes begin with `YB`, `YD` or `YX`, letters that are not issued, and persons' numbers carry address codes that are not in
//! use.

mod bench;
mod city;
mod codes;
mod defects;
mod feed;
mod rng;
mod rows;
mod words;

pub use bench::{bench_name, bench_uscc, write_defaulters_for_bench, write_penalties_for_bench};
pub use city::{City, DemoAgency, Organisation, OrganisationKind, Person};
pub use defects::{Defected, Defects};
pub use feed::Feed;
pub use rng::SplitMix64;
pub use rows::write_csv;
