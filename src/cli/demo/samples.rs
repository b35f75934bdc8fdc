//! The samples: made-up people, real kinds of organizations, and every ending that a transfer can have.

use crate::transfer::State;
use jiff::civil::Date;
use league_sandbox::{Fault, FaultKind, Faults, Manner, Operation, Organization, Rule, Script, Step};
use serde_json::{Value, json};

/// What upstream does beside sending the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// Nothing.
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

/// One sample and what must become of it.
pub(super) struct Sample {
    /// Its key.
    pub(super) request_id: String,
    /// What it shows.
    pub(super) zh: &'static str,
    /// What it shows.
    pub(super) en: &'static str,
    /// The system that it must go to.
    pub(super) system: &'static str,
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
pub(super) struct Scenario {
    /// The samples.
    pub(super) samples: Vec<Sample>,
    /// What happens at the partners.
    pub(super) script: Script,
    /// What goes wrong.
    pub(super) faults: Faults,
}

const SL: &str = "smart_league";
const GD: &str = "guangdong";
const FJ: &str = "fujian";

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

impl Part {
    /// Upstream has a part in it, too.
    fn and(self, upstream: Upstream) -> Self {
        Self { upstream, ..self }
    }
}

/// The partner's part in a sample.
struct Part {
    steps: Vec<Step>,
    manners: Vec<Manner>,
    faults: Vec<(Operation, FaultKind)>,
    account: bool,
    upstream: Upstream,
}

struct Author {
    day: Date,
    scenario: Scenario,
}

/// All samples. `day` is today: nobody applies in the future.
pub(super) fn scenario(day: Date) -> Scenario {
    let scenario = Scenario { samples: Vec::new(), script: Script::default(), faults: Faults::default() };
    let mut author = Author { day, scenario };
    national(&mut author);
    check_in_system(
        &mut author,
        GD,
        [
            "共青团中山大学委员会",
            "共青团深圳市南山区粤海街道工作委员会",
            "共青团广州市天河区石牌街道华师社区支部委员会",
        ],
        "440000",
    );
    check_in_system(
        &mut author,
        FJ,
        [
            "共青团厦门大学委员会",
            "共青团福州市鼓楼区东街街道工作委员会",
            "共青团宁德时代新能源科技股份有限公司委员会",
        ],
        "350000",
    );
    author.life(
        FJ,
        "FJ-CURSOR",
        ("变更流游标失效", "feed cursor expired"),
        "350000",
        "共青团厦门大学委员会",
        State::Completed,
        lives([Step::CheckIn]),
    );
    author.scenario.faults.faults.push(Fault {
        system: Some(league_sandbox::Partner::Fujian),
        times: Some(1),
        operation: Some(Operation::ListChanges),
        ..Fault::of(FaultKind::CursorExpired)
    });
    author.scenario
}

fn lives<const N: usize>(steps: [Step; N]) -> Part {
    Part {
        account: steps.contains(&Step::AccountCreated),
        steps: steps.to_vec(),
        manners: vec![],
        faults: vec![],
        upstream: Upstream::Waits,
    }
}

fn told<const N: usize>(steps: [Step; N], manner: Manner) -> Part {
    Part { manners: vec![manner], ..lives(steps) }
}

fn struck<const N: usize>(steps: [Step; N], operation: Operation, kind: FaultKind) -> Part {
    Part { faults: vec![(operation, kind)], ..lives(steps) }
}

fn national(author: &mut Author) {
    use Operation::Submit;
    use State::{Completed, Overdue, Rejected, Returned, Withdrawn};
    use Step::{AccountCreated, Approve, Expire};
    let (nju, fudan, zju) = (
        "共青团南京大学委员会",
        "中国共产主义青年团复旦大学委员会",
        "共青团浙江大学计算机科学与技术学院委员会",
    );
    let (chengdu, haier) = ("中国共产主义青年团成都市武侯区浆洗街街道工作委员会", "共青团海尔集团委员会");
    let rail = "中国共产主义青年团中国铁路广州局集团有限公司广州机务段委员会";
    let community = "共青团济南市历下区甸柳新村街道第一社区支部委员会";
    let mut life =
        |id, words, province, name, end, part| author.life(SL, id, words, province, name, end, part);
    life("SL-APPROVED", ("审核通过", "approved"), "320000", nju, Completed, lives([Approve]));
    life(
        "SL-ACCOUNT",
        ("通过后建账号", "approved, then account created"),
        "310000",
        fudan,
        Completed,
        lives([Approve, AccountCreated]),
    );
    life(
        "SL-ACCOUNT-FIRST",
        ("先建账号后通过", "account created, then approved"),
        "330000",
        zju,
        Completed,
        lives([AccountCreated, Approve]),
    );
    life(
        "SL-REJECTED",
        ("接收组织拒绝", "rejected"),
        "510000",
        chengdu,
        Rejected,
        lives([Step::Reject("非本街道居民".into())]),
    );
    life("SL-LAPSED", ("逾期未审核", "lapsed without review"), "370000", haier, Overdue, lives([Expire]));
    life(
        "SL-NO-ORG",
        ("未查询到该组织", "organization not found"),
        "320000",
        "共青团南京大学委员",
        Returned,
        lives([]),
    );
    life(
        "SL-AMENDED",
        ("退回后修改", "returned, amended, approved"),
        "320000",
        "共青团南京大学软件学院",
        Completed,
        lives([Approve]).and(Upstream::Amends),
    );
    life("SL-AMBIGUOUS", ("同名组织", "several of this name"), "370000", community, Returned, lives([]));
    life(
        "SL-DATA",
        ("数据被退回", "data refused"),
        "310000",
        fudan,
        Returned,
        struck([Approve], Submit, FaultKind::DataRefused),
    );
    life(
        "SL-WITHDRAWN",
        ("审核前撤回", "withdrawn before review"),
        "330000",
        zju,
        Withdrawn,
        lives([Step::None]).and(Upstream::Withdraws),
    );
    life(
        "SL-TWICE",
        ("上游重复提交", "sent twice by upstream"),
        "510000",
        chengdu,
        Completed,
        lives([Approve]).and(Upstream::Repeats),
    );
    life(
        "SL-ANSWER-LOST",
        ("应答丢失，查询找回", "answer lost, found by query"),
        "320000",
        nju,
        Completed,
        struck([Approve], Submit, FaultKind::DropAfter),
    );
    life(
        "SL-REQUEST-LOST",
        ("请求丢失，核实后重发", "request lost, sent again after a query"),
        "320000",
        nju,
        Completed,
        struck([Approve], Submit, FaultKind::DropBefore),
    );
    life(
        "SL-INTERNAL",
        ("内部错误，结果未知", "internal error, outcome unknown"),
        "310000",
        fudan,
        Completed,
        struck([Approve], Submit, FaultKind::Internal),
    );
    life(
        "SL-GARBAGE",
        ("应答不可读", "unreadable answer"),
        "310000",
        fudan,
        Completed,
        struck([Approve], Submit, FaultKind::Garbage),
    );
    life(
        "SL-FORGED",
        ("应答签名有误", "answer with a wrong signature"),
        "310000",
        fudan,
        Completed,
        struck([Approve], Submit, FaultKind::WrongSignature),
    );
    life(
        "SL-MAINTENANCE",
        ("系统维护", "maintenance"),
        "330000",
        zju,
        Completed,
        struck([Approve], Submit, FaultKind::Maintenance),
    );
    life(
        "SL-BUSY",
        ("限流", "too many requests"),
        "330000",
        zju,
        Completed,
        struck([Approve], Submit, FaultKind::TooMany),
    );
    life(
        "SL-CHECK-DOWN",
        ("组织查询不可用，照常提交", "check unavailable, submitted anyway"),
        "370000",
        haier,
        Completed,
        struck([Approve], Operation::CheckOrganization, FaultKind::Status500),
    );
    life(
        "SL-REPEATED",
        ("回调重复", "callbacks repeated"),
        "370000",
        haier,
        Completed,
        told([Approve], Manner::Duplicate),
    );
    life(
        "SL-REORDERED",
        ("回调乱序", "callbacks out of order"),
        "330000",
        zju,
        Completed,
        told([Approve, AccountCreated], Manner::Reorder),
    );
    life(
        "SL-EARLY",
        ("回调先于应答", "callback before the answer"),
        "320000",
        nju,
        Completed,
        told([Approve], Manner::BeforeAnswer),
    );
    life(
        "SL-CONFLICT",
        ("回调前后矛盾", "contradicting callback"),
        "320000",
        nju,
        Completed,
        told([Approve], Manner::Conflicting),
    );
    life(
        "SL-DUPLICATE",
        ("对方已有此申请", "the partner has it already"),
        "320000",
        nju,
        Completed,
        lives([Approve]).and(Upstream::Restored),
    );
    life(
        "SL-RAILWAY",
        ("驻粤铁路单位走全国系统", "railway unit in Guangdong, national system"),
        "990001",
        rail,
        Completed,
        lives([Approve]),
    );
    life(
        "SL-CORPS",
        ("新疆兵团", "Xinjiang corps"),
        "990006",
        "共青团新疆生产建设兵团第八师石河子市委员会",
        Completed,
        lives([Approve]),
    );
}

fn check_in_system(
    author: &mut Author,
    system: &'static str,
    [first, second, third]: [&'static str; 3],
    province: &'static str,
) {
    use Operation::Submit;
    use State::{Completed, Overdue, Rejected, Returned, Withdrawn};
    use Step::CheckIn;
    let prefix = if system == GD { "GD" } else { "FJ" };
    let mut life = |id: &str, words, name, end, part| {
        author.life(system, &format!("{prefix}-{id}"), words, province, name, end, part)
    };
    life("CHECKED-IN", ("已报到", "checked in"), first, Completed, lives([CheckIn]));
    life(
        "REJECTED",
        ("接收组织拒绝", "rejected"),
        second,
        Rejected,
        lives([Step::Reject("材料不全".into())]),
    );
    life("OVERDUE", ("逾期未报到", "not checked in in time"), third, Overdue, lives([Step::Overdue]));
    life(
        "NO-ORG",
        ("未查询到该组织", "organization not found"),
        "共青团不存在的组织委员会",
        Returned,
        lives([]),
    );
    life(
        "DATA",
        ("数据被退回", "data refused"),
        first,
        Returned,
        struck([CheckIn], Submit, FaultKind::DataRefused),
    );
    life(
        "WITHDRAWN",
        ("报到前撤回", "withdrawn before check-in"),
        second,
        Withdrawn,
        lives([Step::None]).and(Upstream::Withdraws),
    );
    life(
        "TWICE",
        ("上游重复提交", "sent twice by upstream"),
        third,
        Completed,
        lives([CheckIn]).and(Upstream::Repeats),
    );
    life(
        "ANSWER-LOST",
        ("应答丢失，查询找回", "answer lost, found by query"),
        first,
        Completed,
        struck([CheckIn], Submit, FaultKind::DropAfter),
    );
    life("BUSY", ("系统繁忙", "busy"), second, Completed, struck([CheckIn], Submit, FaultKind::TooMany));
    life(
        "MAINTENANCE",
        ("系统维护", "maintenance"),
        third,
        Completed,
        struck([CheckIn], Submit, FaultKind::Maintenance),
    );
    life(
        "DUPLICATE",
        ("对方已有此申请", "the partner has it already"),
        first,
        Completed,
        lives([CheckIn]).and(Upstream::Restored),
    );
    life("REPEATED", ("通知重复", "events repeated"), first, Completed, told([CheckIn], Manner::Duplicate));
    life(
        "REORDERED",
        ("通知乱序", "events out of order"),
        second,
        Completed,
        told([CheckIn], Manner::Reorder),
    );
}

impl Author {
    /// Adds one sample with the partner's part in it.
    #[expect(clippy::too_many_arguments, reason = "a line of the list of samples, whose columns these are")]
    fn life(
        &mut self,
        system: &'static str,
        request_id: &str,
        (zh, en): (&'static str, &'static str),
        province: &str,
        full_name: &str,
        expected: State,
        part: Part,
    ) {
        let Part { steps, manners: callbacks, faults, account, upstream } = part;
        let id = Some(request_id.to_owned());
        self.scenario.script.rules.push(Rule { request_id: id.clone(), steps, callbacks, ..Rule::default() });
        for (operation, kind) in faults {
            // A check and a search name no request: that fault strikes the first call of its kind.
            let request_id = if operation == Operation::CheckOrganization { None } else { id.clone() };
            self.scenario.faults.faults.push(Fault {
                operation: Some(operation),
                request_id,
                times: Some(1),
                ..Fault::of(kind)
            });
        }
        let number = self.scenario.samples.len();
        let document = self.document(request_id, number, province, full_name);
        self.scenario.samples.push(Sample {
            request_id: request_id.to_owned(),
            zh,
            en,
            system,
            expected,
            account,
            upstream,
            document,
        });
    }

    fn document(&self, request_id: &str, number: usize, province: &str, full_name: &str) -> Value {
        let surnames = [
            "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林",
            "何", "郭", "马", "罗",
        ];
        let given =
            ["子涵", "浩然", "雨桐", "思远", "欣怡", "宇轩", "梓萱", "俊杰", "诗涵", "嘉豪", "若曦", "明哲"];
        let name = format!("{}{}", surnames[number % surnames.len()], given[number % given.len()]);
        let (reason, details) = reason(number, full_name);
        json!({
            "request_id": request_id,
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
            "destination": {"province_code": province, "full_name": full_name},
            "reason": reason,
            "details": details,
            "applied_at": format!("{}T00:00:00+08:00", self.day),
        })
    }
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
        let scenario = scenario(jiff::civil::date(2026, 7, 1));
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
        let scenario = scenario(jiff::civil::date(2026, 7, 1));
        for system in [SL, GD, FJ] {
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
