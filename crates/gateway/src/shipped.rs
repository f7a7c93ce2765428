//! The configuration folder, compiled in, so that the program works anywhere with nothing beside it.

use credence_catalog::Folder;
use rust_embed::RustEmbed;
use std::path::Path;

#[derive(RustEmbed)]
#[folder = "../../config"]
struct Shipped;

/// The files of a configuration folder: path within it, and text.
pub struct Files(Vec<(String, String)>);

impl Files {
    /// The shipped folder.
    pub fn shipped() -> Self {
        let read = |path: &str| Shipped::get(path).and_then(|file| String::from_utf8(file.data.into_owned()).ok());
        let mut files: Vec<(String, String)> = Shipped::iter().filter_map(|path| Some((path.to_string(), read(&path)?))).collect();
        files.sort();
        Self(files)
    }

    /// A folder on disk.
    ///
    /// # Errors
    /// The path that cannot be read, and why.
    pub fn read(root: &Path) -> Result<Self, String> {
        fn walk(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) -> Result<(), String> {
            let fail = |e: std::io::Error| format!("{}: {e}", dir.display());
            for entry in std::fs::read_dir(dir).map_err(fail)? {
                let path = entry.map_err(fail)?.path();
                if path.is_dir() {
                    walk(root, &path, files)?;
                } else if path.extension().is_some_and(|e| e == "toml") {
                    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
                    let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                    files.push((name, text));
                }
            }
            Ok(())
        }
        let mut files = Vec::new();
        walk(root, root, &mut files)?;
        files.sort();
        Ok(Self(files))
    }

    /// The documents among them.
    pub fn folder(&self) -> Folder {
        Folder::read(self.0.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// The text of one file.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == path).map(|(_, text)| text.as_str())
    }
}
