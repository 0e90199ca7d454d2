//! What the modules that talk to the machine and to people share.

pub mod files;
pub mod secret;
pub mod text;
