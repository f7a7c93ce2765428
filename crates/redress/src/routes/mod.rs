//! Redress over HTTP.

mod cases;
mod effects;
mod lines;
mod lookup;
mod mine;
mod papers;
mod rules_diff;
mod trainings;

use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    mine::configure(config);
    lookup::configure(config);
    cases::configure(config);
    lines::configure(config);
    papers::configure(config);
    trainings::configure(config);
    effects::configure(config);
    rules_diff::configure(config);
}
