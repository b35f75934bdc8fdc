//! What people see for what they type.

use crate::support::of;
use league_directory::name::Difference;
use league_directory::{Directory, Page};

const ROWS: &str = "\
110000,1,共青团北京信息科技大学委员会,university-committee,
110000,2,共青团北京信息科技大学出国（境）学习研究团员团支部,university-branch,1
110000,3,共青团北京信息科技大学计算机学院2024级软件工程1班支部委员会,university-branch,1
110000,4,共青团北京信息科技大学计算机学院2024级软件工程2班支部委员会,university-branch,1
110000,5,共青团北京信息科技大学计算机学院2023级软件工程1班支部委员会,university-branch,1
110000,6,北京ABC科技有限公司团支部,company-branch,
320000,7,共青团江南大学委员会,university-committee,
320000,8,共青团江苏大学委员会,university-committee,
320000,9,共青团江苏大学团支部,university-branch,
440000,10,共青团广东省广州市天河区委员会,local-committee,
440000,11,甲乙丙丁联合会团支部,social-branch,
500000,12,重庆大学团委,university-committee,
";

fn names(directory: &Directory, province: Option<&str>, words: &str) -> Vec<String> {
    let hits = directory.search(province, words, Page { offset: 0, limit: 10 });
    assert_eq!(hits.total, hits.items.len() as u64);
    hits.items.into_iter().map(|one| one.id).collect()
}

#[test]
fn searching() {
    let (_place, directory) = of(ROWS);
    let beijing = |words| names(&directory, Some("110000"), words);
    assert_eq!(beijing("北信科 出国"), ["2"]);
    assert_eq!(beijing("出国 北信科"), ["2"]);
    assert_eq!(beijing("北信科出国"), ["2"]);
    assert_eq!(beijing("共青团北信科计算机学院"), ["5", "3", "4"]);
    assert_eq!(beijing("北京信息科技大學"), ["1", "2", "5", "3", "4"]);
    assert_eq!(beijing("bjxxkjdx 出国"), ["2"]);
    assert_eq!(beijing("BJXXKJDX 2023"), ["5"]);
    assert_eq!(beijing("abc"), ["6"]);
    assert_eq!(beijing("ＡＢＣ 有限"), ["6"]);
    assert_eq!(beijing("ABC 大学"), Vec::<String>::new());
    assert_eq!(beijing(" \u{3000} "), Vec::<String>::new());
    // Two universities have one short form; a committee comes before its branch.
    assert_eq!(names(&directory, Some("320000"), "江大"), ["7", "8", "9"]);
    // Another reading of 重.
    assert_eq!(names(&directory, None, "cqdx"), ["12"]);
    assert_eq!(names(&directory, None, "天河 广东"), ["10"]);
    assert_eq!(names(&directory, Some("999999"), "天河"), Vec::<String>::new());
}

#[test]
fn suggesting() {
    let (_place, directory) = of(ROWS);
    let first = |province: &str, text: &str| {
        directory.suggest(province, text, 5).into_iter().next().expect("a suggestion")
    };

    let alike = first("110000", "北京信息科技大学计算机学院24级软件工程一班团支部");
    assert_eq!((alike.organization.id.as_str(), alike.equivalent, alike.elsewhere), ("3", true, false));
    let short = first("110000", "北信科出国(境)学习研究团员支部");
    assert_eq!(short.organization.id, "2");
    let moved = first("110000", "北京信息科技大学计算机学院软件工程2024级2班团支部");
    assert_eq!((moved.organization.id.as_str(), moved.equivalent), ("4", false));
    let place = first("440000", "共青团天河区广州市委员会");
    assert_eq!(place.organization.id, "10");
    let mistyped = first("440000", "甲乙丁联合会团支部");
    assert_eq!(mistyped.organization.id, "11");
    assert!(mistyped.differences.contains(&Difference::Missing { meant: "丙".into() }));

    // The name says another province than was chosen.
    let elsewhere = first("110000", "共青团广东省广州市天河区委员会");
    assert_eq!((elsewhere.organization.province.as_str(), elsewhere.elsewhere), ("440000", true));
    let silent = first("120000", "甲乙丙丁联合会团支部");
    assert_eq!((silent.organization.id.as_str(), silent.elsewhere), ("11", true));
    assert!(directory.suggest("120000", "毫无关系的名称", 5).is_empty());
    assert!(directory.suggest("110000", "北京", 0).is_empty());
}

/// The list writes 共青团…委员会; people write the short ending, or none, and err once beside it.
#[test]
fn a_mistake_beside_another_ending_hides_nobody() {
    let meant = [
        "共青团河海大学委员会",
        "共青团南京航空航天大学委员会",
        "共青团中国药科大学委员会",
        "共青团南京财经大学委员会",
    ];
    let others = ["扬州", "江苏", "苏州", "江南", "南通", "常州", "盐城", "徐州"];
    let others: Vec<String> = others
        .iter()
        .flat_map(|place| {
            ["大学团委", "市第一中学团委", "大学商学院团委"].map(|rest| format!("共青团{place}{rest}"))
        })
        .collect();
    let names = meant.iter().copied().chain(others.iter().map(String::as_str));
    let rows: String =
        (1..).zip(names).map(|(id, name)| format!("320000,{id},{name},university-committee,\n")).collect();
    let (_place, directory) = of(&rows);
    for (typed, expected) in [
        ("合海大学团委", meant[0]),
        ("海河大学团委", meant[0]),
        ("南京航天航空大学团委", meant[1]),
        ("南京航天航空大学", meant[1]),
        ("药科大学团委", meant[2]),
        ("南京财精大学", meant[3]),
        ("南京财精大学团委", meant[3]),
    ] {
        let first =
            directory.suggest("320000", typed, 5).into_iter().next().map(|one| one.organization.full_name);
        assert_eq!(first.as_deref(), Some(expected), "{typed}");
    }
}
