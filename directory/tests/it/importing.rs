//! Lists of all sorts become files.

use crate::support::{HEADER, Place, import, named, of};
use flate2::Compression;
use flate2::write::GzEncoder;
use league_directory::Found;
use league_directory::import::{Import, ImportError, Mode};
use std::io::{self, Read, Write as _};

fn one(found: Found) -> String {
    match found {
        Found::One(one) => one.id,
        Found::None | Found::Several(_) => panic!("{found:?}"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn marks_line_ends_quotes_and_compression_make_no_difference() {
    let plain = "province_code,org_id,full_name,kind\n110000,1,\"共青团甲,\"\"乙\"\"团支部\",branch\n110000,2,丙团委,\n";
    let crlf = plain.replace('\n', "\r\n");
    let marked = format!("\u{FEFF}{plain}");
    let unended = plain.trim_end();
    let other_columns = "short_name,kind,full_name,ORG_ID , province_code\nx,branch,\"共青团甲,\"\"乙\"\"团支部\",1,110000\n,,丙团委,2,110000\n";
    for list in [plain, &crlf, &marked, unended, other_columns] {
        for bytes in [list.as_bytes().to_vec(), gzip(list.as_bytes())] {
            let place = Place::new();
            let summary = place.import(Mode::Full, &bytes).expect("an import");
            assert_eq!((summary.rows, summary.new, summary.refused), (2, 2, 0), "{list}");
            let directory = place.open();
            let all: Vec<_> = directory.all().collect();
            assert_eq!(all[0].full_name, "丙团委");
            assert_eq!((all[0].kind.as_deref(), all[1].kind.as_deref()), (None, Some("branch")));
            assert_eq!(all[1].full_name, "共青团甲,\"乙\"团支部");
        }
    }
}

#[test]
fn refused_rows_say_line_and_column_and_the_others_go_in() {
    let long = "长".repeat(201);
    let rows = format!(
        "110000,1,甲团委,x,\n11000,2,乙团委,x,\n110000,,丙团委,x,\n\n110000,4,\"丁\n团委\",x,\n110000,5,\u{3000},x,\n110000,6\n110000,7,{long},x,\n"
    );
    let mut list = format!("{HEADER}{rows}").into_bytes();
    list.extend_from_slice(b"110000,8,\xFF\xFE,x,\n110000,9,");
    list.extend_from_slice("己团委,x,\n".as_bytes());
    let place = Place::new();
    let summary = place.import(Mode::Full, &list).expect("an import");
    assert_eq!((summary.rows, summary.refused, summary.organizations), (9, 7, 2));
    let refusals: Vec<_> = summary.refusals.iter().map(|refusal| (refusal.line, refusal.column)).collect();
    let expected = [
        (3, "province_code"),
        (4, "org_id"),
        (6, "full_name"),
        (8, "full_name"),
        (9, ""),
        (10, "full_name"),
        (11, "full_name"),
    ];
    assert_eq!(refusals, expected);
    assert!(
        summary.refusals.iter().all(|refusal| !refusal.reason.zh.is_empty() && !refusal.reason.en.is_empty())
    );
}

#[test]
fn what_is_no_list_leaves_the_file_as_it_was() {
    let (place, _) = named(&["甲团委"]);
    let before = std::fs::read(&place.file).expect("the file");
    let cut = gzip(format!("{HEADER}{}", "110000,1,乙团委,x,\n".repeat(2000)).as_bytes());
    let mut bad = cut.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 0x55;
    let lists: [&[u8]; 9] = [
        b"",
        b"\xEF\xBB\xBF",
        b"province_code,org_id,full_name\n",
        HEADER.as_bytes(),
        b"province_code,org_id,full_name,kind\n1,2,3,4\n",
        "province_code,org_id,full_name,kind\n110000,1,\"甲,x\n110000,2,乙,x\n".as_bytes(),
        &[b'x'; 100_000],
        &cut[..cut.len() - 9],
        &bad,
    ];
    for list in lists {
        let error = place.import(Mode::Full, list).expect_err("an error");
        assert!(!error.to_string().is_empty());
        assert!(before == std::fs::read(&place.file).expect("the file"), "{error}");
        let names = std::fs::read_dir(place.file.parent().expect("a folder")).expect("a folder");
        assert!(names.count() <= 2, "something was left beside the file and its lock");
    }
}

/// Ends in the middle, as a disk or a process may.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 { Err(io::Error::other("gone")) } else { Ok(read) }
    }
}

#[test]
fn an_import_that_breaks_off_leaves_the_file_as_it_was() {
    let (place, directory) = named(&["甲团委"]);
    let list = format!("{HEADER}110000,7,乙团委,x,\n");
    let import = Import {
        mode: Mode::Full,
        out: &place.file,
        allow_removal: false,
        imported_at: 1,
        known_province: None,
    };
    assert!(matches!(import.run(Broken(list.as_bytes()), &mut |_| ()), Err(ImportError::Io(_))));
    assert_eq!(one(place.open().check("110000", "甲团委")), "1");

    // What an import that was killed left behind is written over.
    std::fs::write(place.file.with_file_name("organizations.importing"), b"half").expect("a file");
    place.import(Mode::Full, list.as_bytes()).expect("an import");
    assert_eq!(one(place.open().check("110000", "乙团委")), "7");
    // Who had the file open still has it.
    assert_eq!(one(directory.check("110000", "甲团委")), "1");
}

#[test]
fn two_imports_do_not_run_at_once() {
    let place = Place::new();
    let list = format!("{HEADER}110000,7,乙团委,x,\n");
    let rows = "110000,7,乙团委,x,\n".repeat(20_000);
    let long = format!("{HEADER}{rows}");
    let mut second = None;
    let first = Import {
        mode: Mode::Full,
        out: &place.file,
        allow_removal: false,
        imported_at: 1,
        known_province: None,
    };
    let summary = first.run(long.as_bytes(), &mut |progress| {
        assert!(progress.bytes > 0 && progress.rows > 0);
        second = Some(import(Mode::Full, &place.file, 1, list.as_bytes()));
    });
    assert_eq!(summary.expect("an import").duplicate, 19_999);
    assert!(matches!(second, Some(Err(ImportError::Busy))));
    import(Mode::Full, &place.file, 1, list.as_bytes()).expect("an import after the other");
}

#[test]
fn a_full_list_replaces_its_provinces_and_keeps_the_others() {
    let (place, _) =
        of("110000,1,甲团委,a,\n110000,2,乙团委,a,\n440000,1,丙团委,b,9\n440000,5,丁团支部,a,\n");
    let list = format!("{HEADER}110000,2,乙团委,c,\n110000,3,戊团委,d,\n");
    let summary = place.import(Mode::Full, list.as_bytes()).expect("an import");
    let counts =
        (summary.new, summary.changed, summary.gone, summary.unchanged, summary.kept, summary.organizations);
    assert_eq!(counts, (1, 1, 1, 0, 2, 4));
    let directory = place.open();
    assert_eq!(directory.check("110000", "甲团委"), Found::None);
    let kept = directory.organization("440000", "1").expect("the organization");
    assert_eq!((kept.kind.as_deref(), kept.parent_id.as_deref()), (Some("b"), Some("9")));
    assert_eq!(one(directory.check("440000", "丁团支部")), "5");
    assert_eq!(directory.organization("110000", "2").and_then(|one| one.kind).as_deref(), Some("c"));
    let facts = directory.facts();
    let provinces: Vec<_> =
        facts.provinces.iter().map(|list| (list.province.as_str(), list.organizations)).collect();
    assert_eq!(provinces, [("110000", 2), ("440000", 2)]);
    assert!(directory.holds("440000") && !directory.holds("120000"));
}

#[test]
fn a_delta_adds_changes_and_removes() {
    let (place, _) = of("110000,1,甲团委,a,\n110000,2,乙团委,a,\n440000,1,丙团委,b,\n");
    let list = "province_code,org_id,full_name,kind,gone\n110000,1,,,1\n110000,2,乙乙团委,a,0\n110000,4,丁团委,a,\n110000,9,,,yes\n110000,4,丁丁团委,a,no\n";
    let summary = place.import(Mode::Delta, list.as_bytes()).expect("an import");
    let counts =
        (summary.new, summary.changed, summary.gone, summary.already_gone, summary.duplicate, summary.kept);
    assert_eq!(counts, (1, 1, 1, 1, 1, 1));
    let directory = place.open();
    let names: Vec<_> = directory.all().map(|one| one.full_name).collect();
    assert_eq!(names, ["丁丁团委", "乙乙团委", "丙团委"]);

    // A province all of whose organizations are gone is not held any more.
    let list = "province_code,org_id,full_name,kind,gone\n440000,1,,,true\n";
    place.import(Mode::Delta, list.as_bytes()).expect("an import");
    assert!(!place.open().holds("440000"));
}

#[test]
fn one_name_under_two_identifiers_is_several_unless_the_text_tells() {
    let (_place, directory) = of(
        "110000,1,共青团甲（乙）团支部,a,\n110000,2,共青团甲(乙)团支部,a,\n110000,3,丙团委,a,\n110000,4,丙团委,a,\n",
    );
    assert_eq!(one(directory.check("110000", " 共青团甲(乙)团支部 ")), "2");
    assert_eq!(one(directory.check("110000", "共青团甲（乙）团支部")), "1");
    let several = |name| matches!(directory.check("110000", name), Found::Several(all) if all.len() == 2);
    assert!(several("中国共产主义青年团甲(乙)团支部") && several("丙团委"));
}

#[test]
fn identifiers_are_kept_as_they_are() {
    let ids = ["0", "007", "7", "18446744073709551616", "999999999999999999", "a-b/中", "+7", "1 2"];
    let rows: String = ids.iter().map(|id| format!("110000,{id},名{id}团委,x,{id}\n")).collect();
    let (_place, directory) = of(&rows);
    for id in ids {
        let found = directory.organization("110000", id).expect("the organization");
        assert_eq!((found.id.as_str(), found.parent_id.as_deref()), (id, Some(id)));
    }
}

#[test]
fn unknown_provinces_are_the_callers_to_refuse() {
    let place = Place::new();
    let list = format!("{HEADER}110000,1,甲团委,x,\n990009,1,乙团委,x,\n");
    let known = |code: &str| code == "110000";
    let import = Import {
        mode: Mode::Full,
        out: &place.file,
        allow_removal: false,
        imported_at: 5,
        known_province: Some(&known),
    };
    let summary = import.run(list.as_bytes(), &mut |_| ()).expect("an import");
    assert_eq!((summary.refused, summary.organizations), (1, 1));
    assert_eq!(place.open().facts().imported_at, 5);
}

#[test]
fn each_list_keeps_the_time_of_its_own_import() {
    let (place, _) = of("110000,1,甲团委,a,\n440000,1,丙团委,b,\n");
    let list = format!("{HEADER}440000,2,丁团委,a,\n");
    import(Mode::Full, &place.file, 9, list.as_bytes()).expect("an import");
    let directory = place.open();
    let times = ["110000", "440000", "120000"].map(|code| directory.imported_at(code));
    assert_eq!((times, directory.facts().imported_at), ([Some(1), Some(9), None], 9));
}

#[test]
fn what_would_lose_organizations_by_mistake_is_refused() {
    let row = |n: usize| format!("110000,{n},第{n}团委,x,\n");
    let rows = |count: usize| (0..count).map(row).collect::<String>();
    let (place, _) = of(&rows(100));
    let changes = "province_code,org_id,full_name,kind,gone\n";
    let refused = |mode, list: &str| place.import(mode, list.as_bytes()).expect_err("it is refused");
    assert!(matches!(refused(Mode::Full, &format!("{changes}110000,1,,,1\n")), ImportError::ChangesAsFull));
    assert!(matches!(
        refused(Mode::Delta, &format!("{changes}440000,1,甲团委,,\n")),
        ImportError::NoListYet(_)
    ));
    let cut = refused(Mode::Full, &format!("{HEADER}{}", rows(60)));
    assert!(matches!(cut, ImportError::TooManyGone { gone: 40, of: 100, .. }), "{cut}");
    let twice = "province_code,org_id,full_name,kind,Full_Name\n110000,1,甲团委,x,乙团委\n";
    assert!(matches!(refused(Mode::Full, twice), ImportError::ColumnTwice("full_name")));
    for error in [cut, refused(Mode::Full, ""), refused(Mode::Full, "a,b\n")] {
        assert!(error.is_the_lists() && !error.zh().is_empty(), "{error}");
    }
    // What a row that can't be used was about stays.
    let broken = rows(100).replace("第7团委", "");
    let summary = place.import(Mode::Full, format!("{HEADER}{broken}").as_bytes()).expect("an import");
    assert_eq!((summary.refused, summary.gone, summary.organizations), (1, 0, 100));
    // Also where a comma too much shifts the columns; and where nobody can tell which one it was, nothing goes.
    let broken = rows(100).replace("第7团委", "第7,团委");
    let summary = place.import(Mode::Full, format!("{HEADER}{broken}").as_bytes()).expect("an import");
    assert_eq!((summary.refused, summary.gone, summary.nothing_removed), (1, 0, false));
    let broken = rows(90).replace("110000,7,", "11000,7,");
    let summary = place.import(Mode::Full, format!("{HEADER}{broken}").as_bytes()).expect("an import");
    assert_eq!(
        (summary.refused, summary.gone, summary.nothing_removed, summary.organizations),
        (1, 0, true, 100)
    );
    // A word that says neither yes nor no is no removal, and said to be none.
    let list = format!("{changes}110000,1,,,2024-07-01\n110000,2,,,是\n");
    let summary = place.import(Mode::Delta, list.as_bytes()).expect("an import");
    assert_eq!((summary.refused, summary.gone, summary.organizations), (1, 1, 99));
    let import = Import {
        mode: Mode::Full,
        out: &place.file,
        allow_removal: true,
        imported_at: 1,
        known_province: None,
    };
    let summary = import.run(format!("{HEADER}{}", rows(60)).as_bytes(), &mut |_| ()).expect("an import");
    assert_eq!((summary.gone, summary.organizations), (40, 60));
}

#[test]
fn names_that_nobody_can_type_are_refused() {
    let place = Place::new();
    let list = format!(
        "{HEADER}110000,1,甲\u{200B}团委,x,\n110000,2,乙\u{202D}团委,x,\n110000,3,丙,x,\n110000,4,丁 团委,x,\n"
    );
    let summary = place.import(Mode::Full, list.as_bytes()).expect("an import");
    assert_eq!((summary.refused, summary.organizations), (3, 1));
}

#[test]
fn an_import_that_has_ended_locks_nobody_out() {
    let place = Place::new();
    let list = format!("{HEADER}110000,7,乙团委,x,\n");
    // Children share what is open until they become another program.
    let children = std::thread::spawn(|| {
        for _ in 0..200 {
            std::process::Command::new("true").status().expect("a child");
        }
    });
    while !children.is_finished() {
        place.import(Mode::Full, list.as_bytes()).expect("the one before has ended");
    }
    children.join().expect("they ended");
}
