//! The samples: made-up people, real kinds of organizations, and every ending that a transfer can have. Which there
//! are is data: `samples.toml`.

use crate::transfer::State;
use jiff::civil::Date;
use league_sandbox::{Fault, FaultKind, Faults, Manner, Operation, Organization, Rule, Script, Step};
use serde::Deserialize;
use serde_json::{Value, json};

/// What upstream does beside sending the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Upstream {
    /// Nothing.
    #[default]
    Waits,
    /// Sends the same request again.
    Repeats,
    /// Takes it back once the partner has it.
    Withdraws,
    /// Mends the full name once it is returned.
    Amends,
    /// Nothing; but the partner has it already, from a gateway whose database was then restored from a backup.
    Restored,
}

#[derive(Deserialize)]
struct File {
    sample: Vec<Row>,
}

/// One sample as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    zh: String,
    en: String,
    system: String,
    province: String,
    full_name: String,
    expected: String,
    steps: Vec<Step>,
    #[serde(default)]
    callbacks: Vec<Manner>,
    #[serde(default)]
    faults: Vec<Trouble>,
    #[serde(default)]
    upstream: Upstream,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trouble {
    operation: Operation,
    kind: FaultKind,
}

/// One sample and what must become of it.
pub(super) struct Sample {
    /// Its key.
    pub(super) request_id: String,
    /// What it shows.
    pub(super) zh: String,
    /// What it shows.
    pub(super) en: String,
    /// The system that it must go to.
    pub(super) system: String,
    /// How it must end.
    pub(super) expected: State,
    /// An account must have been made on the way.
    pub(super) account: bool,
    /// What upstream does.
    pub(super) upstream: Upstream,
    /// The document.
    pub(super) document: Value,
}

/// All samples with what the partners do to them.
#[derive(Default)]
pub(super) struct Scenario {
    /// The samples.
    pub(super) samples: Vec<Sample>,
    /// What happens at the partners.
    pub(super) script: Script,
    /// What goes wrong.
    pub(super) faults: Faults,
}

/// The organizations that the simulated systems know.
pub(crate) fn organizations() -> Vec<Organization> {
    [
        ("320000", "3200101", "共青团南京大学委员会", "university-committee"),
        ("320000", "3200102", "共青团南京大学软件学院委员会", "university-committee"),
        ("310000", "3100101", "中国共产主义青年团复旦大学委员会", "university-committee"),
        ("330000", "3300101", "共青团浙江大学计算机科学与技术学院委员会", "university-committee"),
        ("510000", "5100101", "中国共产主义青年团成都市武侯区浆洗街街道工作委员会", "local-work_committee"),
        ("370000", "3700101", "共青团海尔集团委员会", "company-committee"),
        ("370000", "3700201", "共青团济南市历下区甸柳新村街道第一社区支部委员会", "community-branch"),
        ("370000", "3700202", "共青团济南市历下区甸柳新村街道第一社区支部委员会", "community-branch"),
        (
            "990001",
            "9900101",
            "中国共产主义青年团中国铁路广州局集团有限公司广州机务段委员会",
            "system-committee",
        ),
        ("990006", "9900601", "共青团新疆生产建设兵团第八师石河子市委员会", "system-committee"),
        ("440000", "4400101", "共青团中山大学委员会", "university-committee"),
        ("440000", "4400102", "共青团深圳市南山区粤海街道工作委员会", "local-work_committee"),
        ("440000", "4400103", "共青团广州市天河区石牌街道华师社区支部委员会", "community-branch"),
        ("350000", "3500101", "共青团厦门大学委员会", "university-committee"),
        ("350000", "3500102", "共青团福州市鼓楼区东街街道工作委员会", "local-work_committee"),
        ("350000", "3500103", "共青团宁德时代新能源科技股份有限公司委员会", "company-committee"),
    ]
    .into_iter()
    .map(|(province_code, org_id, full_name, kind)| Organization {
        province_code: province_code.into(),
        org_id: org_id.into(),
        full_name: full_name.into(),
        kind: kind.into(),
    })
    .collect()
}

/// All samples. `day` is today: nobody applies in the future.
///
/// # Errors
/// A sample of the file that can't be read.
pub(super) fn scenario(day: Date) -> anyhow::Result<Scenario> {
    let file: File = toml::from_str(include_str!("samples.toml"))?;
    let mut scenario = Scenario::default();
    for (number, row) in file.sample.into_iter().enumerate() {
        let expected = State::parse(&row.expected)
            .ok_or_else(|| anyhow::anyhow!("{}: no state {}", row.id, row.expected))?;
        let document = document(&row, number, day);
        let account = row.steps.contains(&Step::AccountCreated);
        let request_id = Some(row.id.clone());
        for Trouble { operation, kind } in row.faults {
            // A check and a look at the feed name no request: the fault strikes the first call of its kind.
            let named = !matches!(operation, Operation::CheckOrganization | Operation::ListChanges);
            let request_id = request_id.clone().filter(|_| named);
            scenario.faults.faults.push(Fault {
                operation: Some(operation),
                request_id,
                times: Some(1),
                ..Fault::of(kind)
            });
        }
        scenario.script.rules.push(Rule {
            request_id,
            steps: row.steps,
            callbacks: row.callbacks,
            ..Rule::default()
        });
        scenario.samples.push(Sample {
            request_id: row.id,
            zh: row.zh,
            en: row.en,
            system: row.system,
            expected,
            account,
            upstream: row.upstream,
            document,
        });
    }
    Ok(scenario)
}

fn document(row: &Row, number: usize, day: Date) -> Value {
    let surnames = [
        "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何",
        "郭", "马", "罗",
    ];
    let given =
        ["子涵", "浩然", "雨桐", "思远", "欣怡", "宇轩", "梓萱", "俊杰", "诗涵", "嘉豪", "若曦", "明哲"];
    let name = format!("{}{}", surnames[number % surnames.len()], given[number % given.len()]);
    let (reason, details) = reason(number, &row.full_name);
    json!({
        "request_id": row.id,
        "initiator": if number.is_multiple_of(7) { "branch" } else { "member" },
        "member": {
            "name": name,
            "id_number": id_number(number),
            "phone": format!("138{:08}", 10_000_019 + number * 7919),
            "joined_on": "2018-05",
            "league_number": format!("2018{:08}", 11_000_001 + number),
            "ethnicity": "01",
        },
        "source": {"organization_id": "3421569", "full_name": "中国共产主义青年团北京信息科技大学出国(境)学习研究团员团支部"},
        "destination": {"province_code": row.province, "full_name": row.full_name},
        "reason": reason,
        "details": details,
        "applied_at": format!("{}T00:00:00+08:00", day),
    })
}

fn reason(number: usize, full_name: &str) -> (&'static str, Value) {
    match number % 5 {
        0 => (
            "education",
            json!({"school_name": full_name, "school_address": "大学路 1 号", "stage": "graduate"}),
        ),
        1 => (
            "employment",
            json!({"employer_name": "某某科技有限公司", "employer_address": "创新大道 8 号", "employer_has_organization": true}),
        ),
        2 => ("residence", json!({"address": "和平里 3 栋 402 室", "basis": "residence"})),
        3 => ("work_transfer", json!({"employer_name": "某某研究院", "employer_address": "学院路 30 号"})),
        _ => ("other", json!({"text": "随家人迁居，按规定转接组织关系"})),
    }
}

/// A made-up number with the right check character (GB 11643), of somebody born in 2003.
fn id_number(number: usize) -> String {
    let body = format!("110105{}{:03}", 20_030_101 + (number % 28), 101 + number * 2);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    format!("{body}{}", char::from(check))
}

#[cfg(test)]
mod tests {
    use super::*;
    use league_contract::document::read_canonical;
    use std::collections::BTreeSet;

    #[test]
    fn every_sample_is_a_valid_document_of_another_person() {
        let scenario = scenario(jiff::civil::date(2026, 7, 1)).expect("the samples");
        assert!(scenario.samples.len() >= 30, "{}", scenario.samples.len());
        let mut people = BTreeSet::new();
        for sample in &scenario.samples {
            let transfer = read_canonical(&sample.document)
                .unwrap_or_else(|problems| panic!("{}: {problems:?}", sample.request_id));
            assert!(people.insert(transfer.member.id_number.expose().to_owned()), "{}", sample.request_id);
        }
    }

    #[test]
    fn every_ending_is_there_for_every_system() {
        let scenario = scenario(jiff::civil::date(2026, 7, 1)).expect("the samples");
        for system in ["smart_league", "guangdong", "fujian"] {
            let ends: BTreeSet<State> = scenario
                .samples
                .iter()
                .filter(|sample| sample.system == system)
                .map(|sample| sample.expected)
                .collect();
            assert_eq!(
                ends,
                BTreeSet::from([
                    State::Completed,
                    State::Rejected,
                    State::Returned,
                    State::Overdue,
                    State::Withdrawn
                ]),
                "{system}"
            );
        }
    }
}
