//! Joint reward and punishment 联合奖惩: the loop 发起 → 推送 → 响应 → 反馈 → 跟踪 → 评估. A listed entry starts joint actions under the memoranda
//! of its list, each of directives to agencies ([`service::actions`]); they are pulled or pushed ([`service::directives`],
//! [`service::push`]), answered, reported on, reminded of, and lifted when the entry ends. [`service::checks`] answers the question of an
//! approval system, [`service::evaluation`] compares, [`service::cases`] tells. It stands below the lists: what lists an entry calls it in its
//! own transaction. What other domains have to tell an agency goes out by [`service::messages`].

pub mod jobs;
pub mod model;
pub mod routes;
pub mod service;
pub mod store;

pub use service::Dispatch;
