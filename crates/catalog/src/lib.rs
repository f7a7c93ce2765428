//! The catalogue of public credit information (公共信用信息目录) as data: which statements may be held about whom, in which form they
//! arrive, who may see what of them. No catalogue entry, no data (invariant 1); and every value that leaves passes the one door of
//! [`disclosure`] (invariant 6). Adding an item is adding a file under `config/catalog`. [`lists`], and the [`measures`] they bring, are
//! files too.

pub mod configuration;
pub mod disclosure;
mod documents;
mod json_schema;
pub mod lists;
pub mod measures;
pub mod model;
pub mod publicity;
pub mod routes;
mod store;
mod template;

pub use configuration::{Configuration, ConfigurationHandle, Versioned};
pub use disclosure::{Door, Viewer};
pub use documents::{Applied, BAD_CONFIG, Document, Folder, apply, check_rules, held};
pub use json_schema::json_schema;
pub use lists::{Keeping, ListDefinition, ListKind, MirrorList, NativeList, Standing};
pub use measures::{Direction, Measure, Memorandum, MemorandumMeasure, Reach};
pub use model::{CodeSet, Feed, Field, FieldType, Item, SubjectKind};
pub use publicity::PublicityTerms;
pub use template::template;
