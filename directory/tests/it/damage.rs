//! Files that are not what was written are refused, and what gets through does no harm.

use crate::support::named;
use league_directory::{Directory, OpenError, Page};
use proptest::prelude::*;

const NAMES: [&str; 6] = [
    "共青团北京信息科技大学出国（境）学习研究团员团支部",
    "共青团北京信息科技大学计算机学院2024级软件工程1班团支部",
    "共青团北京信息科技大学计算机学院2024级软件工程2班团支部",
    "中国共产主义青年团北京市海淀区中关村街道工作委员会",
    "北京市海淀区人民法院团总支",
    "ABC有限公司𠮷团支部",
];

fn bytes() -> Vec<u8> {
    let (place, _) = named(&NAMES);
    std::fs::read(&place.file).expect("the file")
}

fn open(bytes: &[u8]) -> Result<Directory, OpenError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, bytes).expect("a file");
    Directory::open(&file)
}

/// Corrects the checksums of a file that was changed.
fn sign(bytes: &mut [u8]) {
    let sum = crc32fast::hash(&bytes[64..]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn every_changed_byte_is_noticed() {
    let mut bytes = bytes();
    assert!(open(&bytes).is_ok());
    for at in 0..bytes.len() {
        for change in [0x01, 0xFF] {
            bytes[at] ^= change;
            assert!(open(&bytes).is_err(), "byte {at} by {change:x}");
            bytes[at] ^= change;
        }
    }
}

#[test]
fn every_missing_or_added_byte_is_noticed() {
    let mut bytes = bytes();
    for length in 0..bytes.len() {
        let error = open(&bytes[..length]).expect_err("an error");
        assert!(matches!(error, OpenError::Foreign | OpenError::CutOff { .. }), "{length}: {error}");
    }
    bytes.push(0);
    assert!(matches!(open(&bytes), Err(OpenError::CutOff { .. })));
}

#[test]
fn what_is_wrong_is_said() {
    assert!(matches!(open(b"PK\x03\x04 a spreadsheet"), Err(OpenError::Foreign)));
    assert!(matches!(open(b""), Err(OpenError::CutOff { .. })));
    let mut other = bytes();
    other[8] = 77;
    sign(&mut other);
    assert!(matches!(open(&other), Err(OpenError::Version { found: 77 })));
    let nowhere = Directory::open("/nowhere/at/all".as_ref());
    assert!(matches!(nowhere, Err(OpenError::Io(_))));
    let message = OpenError::Version { found: 77 }.to_string();
    assert!(message.contains("77") && message.contains("import"), "{message}");
}

/// Asks everything that can be asked.
fn use_it(directory: &Directory) {
    let page = Page { offset: 0, limit: 10 };
    for name in NAMES.iter().copied().chain(["北京", "共青团海淀区信息科技大学"]) {
        drop(directory.check("110000", name));
        drop(directory.suggest("110000", name, 5));
        drop(directory.suggest("440000", name, 5));
        drop(directory.search(None, name, page));
    }
    for words in ["北", "团 支部", "bj", "kjdx", "北信科"] {
        drop(directory.search(Some("110000"), words, page));
    }
    drop(directory.organization("110000", "3"));
    assert!(directory.all().count() < 100_000);
    drop(directory.facts());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// A file that was made to be wrong, checksums and all, gives wrong answers at worst.
    #[test]
    fn a_forged_file_does_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        thread_local!(static WHOLE: Vec<u8> = bytes());
        let mut bytes = WHOLE.with(Clone::clone);
        for (at, value) in changes {
            let at = 64 + at.index(bytes.len() - 64);
            bytes[at] = value;
        }
        sign(&mut bytes);
        if let Ok(directory) = open(&bytes) {
            use_it(&directory);
        }
    }

    #[test]
    fn any_bytes_may_be_opened(mut bytes in prop::collection::vec(any::<u8>(), 0..400), ours in any::<bool>()) {
        if ours && bytes.len() > 64 {
            bytes[..8].copy_from_slice(b"LGORGDIR");
            bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
            let length = bytes.len() as u64;
            bytes[24..32].copy_from_slice(&length.to_le_bytes());
            bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
            sign(&mut bytes);
        }
        if let Ok(directory) = open(&bytes) {
            use_it(&directory);
        }
    }
}
