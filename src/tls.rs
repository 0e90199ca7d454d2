//! TLS: the one provider of cryptography for all HTTP clients.

/// Installs ring as the process's provider, unless one is there already. Every HTTP client is made after this.
pub fn install_provider() {
    // An error means that a provider is installed: calling this twice is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
