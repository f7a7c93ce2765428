//! Turns the `Authorization` header into an [`credence_core::Actor`] in the request. Without the header the caller is the public; a header
//! that does not hold is refused, even where the public may go: whoever shows papers wants them looked at.

use crate::model::TOKEN_REFUSED;
use crate::service::Identity;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use credence_core::problem::Problem;
use credence_web::{ApiError, set_actor};

/// The middleware function.
pub async fn authenticate(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(header) = request.headers().get(AUTHORIZATION) {
        let bearer = header.to_str().ok().and_then(|h| h.strip_prefix("Bearer ").or_else(|| h.strip_prefix("bearer "))).map(str::trim);
        let identity = request.app_data::<web::Data<Identity>>().ok_or_else(|| ApiError(Problem::internal("identity is not mounted")))?;
        let actor = match bearer {
            Some(bearer) => identity.authenticate(bearer).await.map_err(ApiError)?,
            None => return Err(ApiError(Problem::new(&TOKEN_REFUSED)).into()),
        };
        set_actor(&request, actor);
    }
    next.call(request).await
}
