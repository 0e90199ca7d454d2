//! The commit that a program is built from, as a macro for the one file that needs it.
//!
//! A build script would give the same text, but everything that depends on it would be compiled again after every commit.

use std::path::Path;
use std::process::Command;

use proc_macro::TokenStream;

/// Files in git's folder that change with a commit or a checkout, besides that of the branch. Any of them may be missing.
///
/// One case is missed: the first commit after the branch was packed, in a repository without a reflog. It creates a file
/// that did not exist at the last compilation.
const WATCHED_FILES: [&str; 3] = ["HEAD", "logs/HEAD", "packed-refs"];

/// The commit of the sources, a `&'static str`.
///
/// It is the value of `HURACAN_GIT_COMMIT` if that is set at compile time, for sources that come without their history;
/// otherwise what git reports; otherwise `unknown`.
#[proc_macro]
pub fn commit(_: TokenStream) -> TokenStream {
    let sources = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned());
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(&sources).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let paths = WATCHED_FILES.into_iter().map(str::to_owned).chain(branch).filter_map(|file| {
        let path = Path::new(&sources).join(git(&["rev-parse", "--git-path", &file])?);
        path.is_file().then_some(path)
    });
    // Cargo compiles a crate again when a file that it includes has changed.
    let includes: String = paths.map(|path| format!("const _: &[u8] = include_bytes!({path:?});")).collect();
    let variable = "option_env!(\"HURACAN_GIT_COMMIT\")";
    let text =
        format!("{{ {includes} match {variable} {{ Some(given) if !given.is_empty() => given, _ => {commit:?} }} }}");
    text.parse().expect("the generated block is valid Rust")
}
