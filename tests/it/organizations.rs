//! The local directory of organizations beside the systems' own lists: checked, searched, suggested, exchanged while it serves.

mod face;
mod file;
mod transfers;

/// What is known locally: more than the partners of the tests know, and Guangdong's and Fujian's lists, too.
pub(crate) const LISTS: &str = "\
320000,3201001,共青团南京大学委员会,university-committee
320000,3201002,共青团南京大学医学院委员会,university-committee
320000,3201005,共青团南京大学医学院2024级临床医学1班团支部,university-branch
320000,3201006,共青团南京大学医学院2024级临床医学2班团支部,university-branch
330000,3301001,共青团西湖区文新街道工作委员会,local-work_committee
330000,3301002,共青团西湖区文新街道工作委员会,local-work_committee
440000,4401001,共青团中山大学委员会,university-committee
440000,4401002,共青团中山大学附属第一医院委员会,public-committee
440000,4401003,共青团中山大学(深圳)委员会,university-committee
350000,3501001,共青团厦门大学委员会,university-committee
";
