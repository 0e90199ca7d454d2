//! Helpers for the modules that deal with the machine and with users: atomic files, secrets, and text.

pub mod files;
pub mod secret;
pub mod text;
