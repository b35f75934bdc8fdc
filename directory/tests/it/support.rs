//! Directories made for a test.

use league_directory::Directory;
use league_directory::import::{Import, ImportError, Mode, Summary};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const HEADER: &str = "province_code,org_id,full_name,kind,parent_org_id\n";

/// A folder with the place of a directory file.
pub(crate) struct Place {
    _folder: TempDir,
    pub(crate) file: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("organizations");
        Self { _folder: folder, file }
    }

    pub(crate) fn import(&self, mode: Mode, list: &[u8]) -> Result<Summary, ImportError> {
        import(mode, &self.file, 1, list)
    }

    pub(crate) fn open(&self) -> Directory {
        Directory::open(&self.file).expect("a directory file")
    }
}

pub(crate) fn import(mode: Mode, out: &Path, imported_at: i64, list: &[u8]) -> Result<Summary, ImportError> {
    Import { mode, out, allow_removal: false, imported_at, known_province: None }.run(list, &mut |_| ())
}

/// A directory of rows without a header.
pub(crate) fn of(rows: &str) -> (Place, Directory) {
    let place = Place::new();
    place.import(Mode::Full, format!("{HEADER}{rows}").as_bytes()).expect("an import");
    let directory = place.open();
    (place, directory)
}

/// A directory of names in a province, numbered from 1.
pub(crate) fn named(names: &[&str]) -> (Place, Directory) {
    let rows =
        (1..).zip(names).map(|(id, name)| format!("110000,{id},\"{}\",branch,\n", name.replace('"', "\"\"")));
    of(&rows.collect::<String>())
}
