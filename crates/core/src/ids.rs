//! One type per kind of thing, so that a subject's id never fits where a record's is wanted. All are UUID version 7: they grow with
//! time, which keeps the indexes they live in compact.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id.
            #[allow(clippy::new_without_default, reason = "a default id would be a random one, which nobody expects of a default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// A department or other unit that provides or uses information.
    AgencyId
);
id_type!(
    /// A person's login.
    AccountId
);
id_type!(
    /// A credit subject 信用主体, stable through every change of name and number.
    SubjectId
);
id_type!(
    /// A statement about a subject, stable through its versions.
    RecordId
);
id_type!(
    /// A submission batch 归集批次.
    BatchId
);
