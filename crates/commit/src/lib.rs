//! The commit that a program is built from, for the one file that asks: a build script would have everything that stands
//! on it compiled anew after every commit.

use std::path::Path;
use std::process::Command;

use proc_macro::TokenStream;

/// What changes with a commit, or with another one checked out, besides the branch; none of them need be there. (A branch that
/// is packed, in a repository that keeps no log, gets a new file that nobody has been looking at: that one commit is missed.)
const SIGNS: [&str; 3] = ["HEAD", "logs/HEAD", "packed-refs"];

/// The commit of the sources, a `&'static str`: that of `HURACAN_GIT_COMMIT`, where sources come without their history,
/// else what git says, else `unknown`.
#[proc_macro]
pub fn commit(_: TokenStream) -> TokenStream {
    let sources = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned());
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(&sources).args(arguments).output().ok()?;
        let said = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| said.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let paths = SIGNS.into_iter().map(str::to_owned).chain(branch).filter_map(|sign| {
        let path = Path::new(&sources).join(git(&["rev-parse", "--git-path", &sign])?);
        path.is_file().then_some(path)
    });
    // What a program includes is what its compilation is repeated for.
    let seen: String = paths.map(|path| format!("const _: &[u8] = include_bytes!({path:?});")).collect();
    let told = "option_env!(\"HURACAN_GIT_COMMIT\")";
    let text = format!("{{ {seen} match {told} {{ Some(told) if !told.is_empty() => told, _ => {commit:?} }} }}");
    text.parse().expect("a block of three parts")
}
