//! Made-up people with valid check characters, the organizations they go to, and their documents.

use league_sandbox::{Operation, Organization, Partner, Step};
use serde_json::{Value, json};

/// Somebody who does not exist.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) id_number: String,
    pub(crate) phone: String,
}

/// The nth person.
pub(crate) fn person(n: usize) -> Person {
    let surnames = ["欧阳", "司马", "上官", "诸葛", "慕容", "令狐", "宇文", "皇甫"];
    let given = ["晓峰", "若兰", "子墨", "雨桐", "思远", "静怡", "浩然"];
    let name = format!("{}{}", surnames[n % 8], given[(n / 8) % 7]);
    let body = format!("110105{}{:02}{:02}{:03}", 1995 + n % 8, 1 + n % 12, 1 + n % 28, (n * 7 + 11) % 1000);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = char::from(b"10X98765432"[sum as usize % 11]);
    Person { name, id_number: format!("{body}{check}"), phone: format!("139{:08}", 71_000_000 + n * 137) }
}

/// One system as a transfer sees it.
#[derive(Debug)]
pub(crate) struct Side {
    /// Its name in configuration and API.
    pub(crate) system: &'static str,
    pub(crate) partner: Partner,
    pub(crate) province: &'static str,
    /// An organization that it has.
    pub(crate) organization: &'static str,
    /// Where a transfer waits that was taken in.
    pub(crate) waits: &'static str,
    /// What completes a transfer.
    pub(crate) completes: Step,
    /// What lets it lapse.
    pub(crate) lapses: Step,
}

/// All three.
pub(crate) const SIDES: [Side; 3] = [
    Side {
        system: "smart_league",
        partner: Partner::SmartLeague,
        province: "320000",
        organization: "共青团南京大学委员会",
        waits: "submitted",
        completes: Step::Approve,
        lapses: Step::Expire,
    },
    Side {
        system: "guangdong",
        partner: Partner::Guangdong,
        province: "440000",
        organization: "共青团中山大学委员会",
        waits: "awaiting_check_in",
        completes: Step::CheckIn,
        lapses: Step::Overdue,
    },
    Side {
        system: "fujian",
        partner: Partner::Fujian,
        province: "350000",
        organization: "共青团厦门大学委员会",
        waits: "awaiting_check_in",
        completes: Step::CheckIn,
        lapses: Step::Overdue,
    },
];

impl Side {
    /// The document of the nth person who goes there.
    pub(crate) fn document(&self, request_id: &str, n: usize) -> Value {
        document(request_id, n, self.province, self.organization)
    }

    /// A fault of this system's submits.
    pub(crate) fn fault(&self, kind: league_sandbox::FaultKind, times: u32) -> league_sandbox::Fault {
        league_sandbox::Fault {
            system: Some(self.partner),
            operation: Some(Operation::Submit),
            times: Some(times),
            ..league_sandbox::Fault::of(kind)
        }
    }
}

/// A document that every rule allows.
pub(crate) fn document(request_id: &str, n: usize, province: &str, organization: &str) -> Value {
    let Person { name, id_number, phone } = person(n);
    json!({
        "request_id": request_id,
        "initiator": "member",
        "member": {"name": name, "id_number": id_number, "phone": phone,
                   "joined_on": "2018-05", "league_number": "201811000001", "ethnicity": "01"},
        "source": {"organization_id": "3421569", "full_name": "中国共产主义青年团北京信息科技大学委员会"},
        "destination": {"province_code": province, "full_name": organization},
        "reason": "education",
        "details": {"school_name": "南京大学", "school_address": "南京市栖霞区仙林大道163号", "stage": "graduate"},
        "applied_at": "2024-07-01T09:30:00+08:00",
    })
}

/// What exists at the partners.
pub(crate) fn organizations() -> Vec<Organization> {
    let rows = [
        ("320000", "3201001", "共青团南京大学委员会", "school-committee"),
        ("320000", "3201002", "共青团南京大学医学院委员会", "school-committee"),
        ("320000", "3201003", "共青团南京师范大学委员会", "school-committee"),
        ("320000", "3201004", "共青团苏州大学委员会", "school-committee"),
        ("330000", "3301001", "共青团西湖区文新街道工作委员会", "street-work_committee"),
        ("330000", "3301002", "共青团西湖区文新街道工作委员会", "street-work_committee"),
        ("440000", "4401001", "共青团中山大学委员会", "school-committee"),
        ("440000", "4401002", "共青团中山大学附属第一医院委员会", "hospital-committee"),
        ("350000", "3501001", "共青团厦门大学委员会", "school-committee"),
        ("990001", "9901001", "共青团中国铁路广州局集团有限公司委员会", "company-committee"),
    ];
    let row = |(province, id, name, kind): (&str, &str, &str, &str)| Organization {
        province_code: province.to_owned(),
        org_id: id.to_owned(),
        full_name: name.to_owned(),
        kind: kind.to_owned(),
    };
    rows.into_iter().map(row).collect()
}
