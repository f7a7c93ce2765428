//! Joint action over HTTP.

mod actions;
mod cases;
mod check_batches;
mod checks;
mod directives;
mod endpoints;
mod evaluation;
mod messages;

use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    actions::configure(config);
    directives::configure(config);
    messages::configure(config);
    endpoints::configure(config);
    checks::configure(config);
    check_batches::configure(config);
    evaluation::configure(config);
    cases::configure(config);
}
