//! The organizations that exist, for all three partners.

use serde::Deserialize;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// One organization.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Organization {
    /// Six digits.
    pub province_code: String,
    /// The partner's id of it.
    pub org_id: String,
    /// The full name, compared character by character.
    pub full_name: String,
    /// Its kind; what follows the last `-` is its level: `committee`, `work_committee`, `general_branch` or `branch`.
    pub kind: String,
}

impl Organization {
    /// Reads a list: columns `province_code`, `org_id`, `full_name`, `kind`; others are passed over.
    ///
    /// # Errors
    /// When the file can't be read, or a row lacks a column; the row is named.
    pub fn read_csv(path: impl AsRef<Path>) -> io::Result<Vec<Self>> {
        csv::Reader::from_path(path)?.deserialize().map(|row| row.map_err(io::Error::from)).collect()
    }

    /// The level as all three profiles spell it.
    #[must_use]
    pub fn level(&self) -> &'static str {
        match self.kind.rsplit('-').next().unwrap_or_default() {
            "committee" => "COMMITTEE",
            "work_committee" => "WORK_COMMITTEE",
            "general_branch" => "GENERAL_BRANCH",
            _ => "BRANCH",
        }
    }
}

/// What a full name leads to.
#[derive(Debug)]
pub(crate) enum Found {
    None,
    One(Organization),
    /// The name is no key: several bear it.
    Several(Organization),
}

/// All organizations, by province and by name.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    by_province: HashMap<String, Vec<Organization>>,
    by_name: HashMap<(String, String), Vec<usize>>,
}

impl Directory {
    pub(crate) fn new(organizations: Vec<Organization>) -> Self {
        let mut directory = Self::default();
        for organization in organizations {
            let province = directory.by_province.entry(organization.province_code.clone()).or_default();
            let key = (organization.province_code.clone(), organization.full_name.clone());
            directory.by_name.entry(key).or_default().push(province.len());
            province.push(organization);
        }
        directory
    }

    pub(crate) fn find(&self, province_code: &str, full_name: &str) -> Found {
        let key = (province_code.to_owned(), full_name.to_owned());
        let province = self.by_province.get(province_code).map_or(&[][..], Vec::as_slice);
        match self.by_name.get(&key).map_or(&[][..], Vec::as_slice) {
            [] => Found::None,
            [one] => Found::One(province[*one].clone()),
            [first, ..] => Found::Several(province[*first].clone()),
        }
    }

    /// A page of those whose name holds the keyword, and how many there are.
    pub(crate) fn search(
        &self,
        province_code: &str,
        keyword: &str,
        skip: usize,
        take: usize,
    ) -> (usize, Vec<Organization>) {
        let province = self.by_province.get(province_code).map_or(&[][..], Vec::as_slice);
        let hits: Vec<_> = province.iter().filter(|one| one.full_name.contains(keyword)).collect();
        (hits.len(), hits.into_iter().skip(skip).take(take).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_searched() {
        let path = std::env::temp_dir().join(format!("sandbox-organizations-{}.csv", std::process::id()));
        let rows = "province_code,org_id,full_name,kind,parent_org_id\n\
                    320000,1,共青团南京大学委员会,university-committee,\n\
                    320000,2,共青团江宁区某村支部委员会,village-branch,1\n\
                    320000,3,共青团江宁区某村支部委员会,village-branch,1\n";
        std::fs::write(&path, rows).expect("written");
        let list = Organization::read_csv(&path).expect("read");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(
            list.iter().map(Organization::level).collect::<Vec<_>>(),
            ["COMMITTEE", "BRANCH", "BRANCH"]
        );
        let directory = Directory::new(list);
        assert!(
            matches!(directory.find("320000", "共青团南京大学委员会"), Found::One(one) if one.org_id == "1")
        );
        assert!(matches!(directory.find("320000", "共青团江宁区某村支部委员会"), Found::Several(_)));
        assert!(matches!(directory.find("330000", "共青团南京大学委员会"), Found::None));
        let (total, page) = directory.search("320000", "共青团", 1, 1);
        assert_eq!((total, page[0].org_id.as_str()), (3, "2"));
    }
}
