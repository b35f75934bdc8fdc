//! Province code → system. The routes are data (`config/routes.toml`); no code here knows a province.

use league_contract::{Problem, ProblemCode, ProvinceCode, System, text};
use league_directory::name::key;
use league_directory::name::place::{mentions, province_named};
use serde::{Deserialize, Serialize};

/// The routes as the program carries them; configuration may name another file.
pub const BUILT_IN: &str = include_str!("../config/routes.toml");

/// All routes, in the file's order.
#[derive(Debug, Clone)]
pub struct Routes {
    routes: Vec<Route>,
}

/// One province-level unit.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its code.
    pub code: ProvinceCode,
    /// Its name.
    pub name: String,
    /// A province, or a unit of province rank.
    pub kind: RouteKind,
    /// Where its transfers go.
    pub target: Target,
}

/// What kind of province-level unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// 省、自治区、直辖市
    Province,
    /// 系统团委、兵团
    Unit,
}

/// Where a unit's transfers go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To this system.
    System(System),
    /// Nowhere: it is Beijing's own (应使用系统内部转移).
    Internal,
    /// Nowhere: there is no committee to send to.
    None,
}

impl Target {
    /// The system, if there is one.
    #[must_use]
    pub const fn system(&self) -> Option<&System> {
        match self {
            Self::System(system) => Some(system),
            Self::Internal | Self::None => None,
        }
    }

    /// The word in the routes file and in the API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::System(system) => system.as_str(),
            Self::Internal => "internal",
            Self::None => "none",
        }
    }
}

/// A routes file that can't be used: which route, and why.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// Not the file's form.
    #[error("the routes can't be read: {0}")]
    Malformed(#[from] toml::de::Error),
    /// One route is wrong.
    #[error("route {code}: {problem}")]
    Route {
        /// Its code, as written.
        code: String,
        /// What is wrong.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    route: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    code: String,
    name: String,
    kind: RouteKind,
    system: String,
}

impl Routes {
    /// Reads a routes file.
    ///
    /// # Errors
    /// [`RoutesError`] names the route that is wrong.
    pub fn parse(text: &str) -> Result<Self, RoutesError> {
        let file: File = toml::from_str(text)?;
        let mut routes: Vec<Route> = Vec::with_capacity(file.route.len());
        for row in file.route {
            let wrong = |problem| RoutesError::Route { code: row.code.clone(), problem };
            let code = ProvinceCode::parse(&row.code).ok_or_else(|| wrong("a code has six digits"))?;
            if routes.iter().any(|route| route.code == code) {
                return Err(wrong("this code stands twice"));
            }
            if row.name.trim().is_empty() {
                return Err(wrong("the name is empty"));
            }
            let target = match row.system.as_str() {
                "internal" => Target::Internal,
                "none" => Target::None,
                name => Target::System(System::parse(name).ok_or_else(|| wrong("not a system's name"))?),
            };
            routes.push(Route { code, name: row.name.clone(), kind: row.kind, target });
        }
        Ok(Self { routes })
    }

    /// All routes.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// The unit of a code.
    #[must_use]
    pub fn of(&self, code: ProvinceCode) -> Option<&Route> {
        self.routes.iter().find(|route| route.code == code)
    }

    /// The code of what was written: six digits, the first two of a province, or a name with or without 省, 市, 自治区.
    #[must_use]
    pub fn resolve(&self, input: &str) -> Option<ProvinceCode> {
        let input = text::half_width(input);
        let input = input.trim();
        let found = if input.bytes().all(|b| b.is_ascii_digit()) {
            let two = input.len() == 2;
            self.routes.iter().find(|route| {
                route.code.as_str() == input
                    || (two && route.kind == RouteKind::Province && route.code.as_str().starts_with(input))
            })
        } else {
            self.routes.iter().find(|route| route.name == input || short(&route.name) == short(input))
        };
        found.map(|route| route.code)
    }

    /// Which system takes transfers there.
    ///
    /// # Errors
    /// `unknown_province`, `internal_transfer` or `no_route`, at the destination's province code.
    pub fn system(&self, code: ProvinceCode) -> Result<System, Problem> {
        let refuse = |code: ProblemCode, zh: String, en: String| {
            Problem::at(code, "destination.province_code", zh, en)
        };
        match self.of(code) {
            None => Err(refuse(
                ProblemCode::UnknownProvince,
                format!("没有代码为 {code} 的省级单位"),
                format!("there is no province-level unit with the code {code}"),
            )),
            Some(Route { target: Target::System(system), .. }) => Ok(system.clone()),
            Some(Route { target: Target::Internal, name, .. }) => Err(refuse(
                ProblemCode::InternalTransfer,
                format!("{name}属于本系统，应使用系统内部转移"),
                format!("{name} is this system's own: use an internal transfer"),
            )),
            Some(Route { target: Target::None, name, .. }) => Err(refuse(
                ProblemCode::NoRoute,
                format!("{name}没有可接收转接的团组织系统"),
                format!("no system receives transfers to {name}"),
            )),
        }
    }

    /// The province whose name, long or short, a full name begins with, after the League's own prefix. Not where that is a
    /// street's or a district's name: 北京路小学, 天津's 河北区.
    fn named_in(&self, full_name: &str) -> Option<&Route> {
        let key = key(full_name);
        let name = key.strip_prefix("共青团").unwrap_or(&key);
        let mut provinces = self.routes.iter().filter(|route| route.kind == RouteKind::Province);
        let street = |rest: &str| {
            let rest =
                rest.strip_prefix(['东', '西', '南', '北', '中', '新', '一', '二', '三']).unwrap_or(rest);
            rest.starts_with([
                '区', '县', '旗', '镇', '乡', '村', '庄', '路', '街', '道', '巷', '里', '桥', '大',
            ]) && !rest.starts_with("大学")
        };
        provinces.find(|route| name.strip_prefix(short(&route.name)).is_some_and(|rest| !street(rest)))
    }

    /// The warning for a full name whose beginning says another province than its code, by the province's name or that of a
    /// prefecture or university of it: `[zh, en]`.
    #[must_use]
    pub fn mismatch(&self, code: ProvinceCode, full_name: &str) -> Option<[String; 2]> {
        let chosen = self.of(code).filter(|route| route.kind == RouteKind::Province)?;
        let by_place = province_named(full_name).and_then(ProvinceCode::parse).and_then(|code| self.of(code));
        let named = by_place.or_else(|| self.named_in(full_name)).filter(|named| named.code != code)?;
        // 北京大学附属中学南京分校 is where it says in the end.
        if mentions(full_name, code.as_str()) {
            return None;
        }
        Some([
            format!("从组织全称看属于{}，而所选省级单位为{}，请核对", named.name, chosen.name),
            format!(
                "by its full name the organization is in {}, but the chosen province is {}: please check",
                named.name, chosen.name
            ),
        ])
    }
}

/// 江苏省 → 江苏, 广西壮族自治区 → 广西.
fn short(name: &str) -> &str {
    let endings = ["特别行政区", "壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市"];
    endings
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        Routes::parse(BUILT_IN).expect("the built-in routes are valid")
    }

    #[test]
    fn codes_digits_and_names_are_understood() {
        let routes = routes();
        for (input, code) in [
            ("320000", "320000"),
            ("32", "320000"),
            ("３２", "320000"),
            ("江苏省", "320000"),
            ("江苏", "320000"),
            ("内蒙古", "150000"),
            ("广西壮族自治区", "450000"),
            ("新疆", "650000"),
            ("上海", "310000"),
            ("全国铁道团委", "990001"),
            ("990006", "990006"),
        ] {
            assert_eq!(routes.resolve(input).map(|code| code.to_string()).as_deref(), Some(code), "{input}");
        }
        for input in ["", "99", "999999", "32000", "江", "省", "火星"] {
            assert_eq!(routes.resolve(input), None, "{input}");
        }
    }

    #[test]
    fn hierarchy_decides_where_it_goes() {
        let routes = routes();
        let target = |code: &str| {
            let code = ProvinceCode::parse(code).expect("six digits");
            routes.system(code).map(|system| system.to_string()).map_err(|problem| problem.code)
        };
        assert_eq!(target("320000"), Ok("smart_league".into()));
        assert_eq!(target("440000"), Ok("guangdong".into()));
        assert_eq!(target("350000"), Ok("fujian".into()));
        assert_eq!(target("990001"), Ok("smart_league".into()));
        assert_eq!(target("110000"), Err(ProblemCode::InternalTransfer));
        for none in ["710000", "810000", "820000"] {
            assert_eq!(target(none), Err(ProblemCode::NoRoute));
        }
        assert_eq!(target("123456"), Err(ProblemCode::UnknownProvince));
        assert_eq!(routes.iter().count(), 40);
    }

    #[test]
    fn another_provinces_name_is_a_warning_and_a_unit_is_not() {
        let routes = routes();
        let code = |text: &str| ProvinceCode::parse(text).expect("six digits");
        for elsewhere in [
            "共青团浙江大学委员会",
            "共青团广东邮电职业技术学院委员会",
            "中国共产主义青年团 福建师大附中委员会",
            "共青团厦门市思明区委员会",
        ] {
            assert!(routes.mismatch(code("320000"), elsewhere).is_some(), "{elsewhere}");
        }
        for (own, name) in [
            ("320000", "中国共产主义青年团江苏省委员会"),
            ("120000", "共青团河北区人民法院委员会"),
            ("150000", "共青团海南区拉僧庙镇委员会"),
            ("440000", "共青团北京路小学委员会"),
            ("320000", "共青团上海路街道工作委员会"),
            ("320000", "共青团广东路派出所支部委员会"),
            ("320000", "共青团北京东路小学委员会"),
            ("320000", "共青团北京大学附属中学南京分校委员会"),
        ] {
            assert!(routes.mismatch(code(own), name).is_none(), "{name}");
        }
        assert!(routes.mismatch(code("320000"), "共青团南京大学委员会").is_none());
        assert!(routes.mismatch(code("990001"), "共青团广东铁路公司委员会").is_none());
    }

    #[test]
    fn a_wrong_file_names_its_route() {
        let file = "[[route]]\ncode='32'\nname='x'\nkind='province'\nsystem='a_b'";
        assert_eq!(Routes::parse(file).expect_err("refused").to_string(), "route 32: a code has six digits");
    }
}
