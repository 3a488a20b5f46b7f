//! Classes of expiry, so that a time is chosen by what the data is and said in one place.
//!
//! A class of one's own is a constant:
//!
//! ```
//! use std::time::Duration;
//!
//! mod ttls {
//!     use super::Duration;
//!
//!     /// Agents are configured a few times a day.
//!     pub const AGENT_CONFIG: Duration = cache_runtime::ttl::HOUR;
//! }
//!
//! mod keys {
//!     cache_runtime::cache_keys! {
//!         pub agent(agent_id: u64) = "agents:{agent_id}", ttl = super::ttls::AGENT_CONFIG;
//!         pub agents() = "agents:list", ttl = cache_runtime::ttl::SHORT;
//!     }
//! }
//!
//! # fn main() {
//! assert_eq!(keys::agent(7).as_str(), "agents:7");
//! # }
//! ```

use std::time::Duration;

/// 1 minute.
pub const SHORT: Duration = Duration::from_secs(60);
/// 5 minutes.
pub const MEDIUM: Duration = Duration::from_secs(5 * 60);
/// 30 minutes.
pub const LONG: Duration = Duration::from_secs(30 * 60);
/// 1 hour.
pub const HOUR: Duration = Duration::from_secs(60 * 60);
/// 24 hours.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
