//! The forms, as the catalogue in `config/catalog` defines them.

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feed {
    /// Registration data: row `i` is organisation `i`.
    Registration,
    /// Administrative penalties of organisations.
    PenaltyOrganisation,
    /// Administrative licences of organisations.
    LicenceOrganisation,
    /// Administrative penalties of natural persons.
    PenaltyPerson,
    /// Judgment defaulters, organisations and persons.
    JudgmentDefaulter,
    /// List of abnormal operations.
    AbnormalOperation,
    /// Taxpayers graded A.
    AGradeTaxpayer,
    /// Honours and commendations.
    Honour,
    /// Credit commitments.
    CreditCommitment,
}

/// What a column holds, as far as writing mistakes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Name of the subject.
    Name,
    /// USCC or document number of the subject.
    Code,
    /// Values of a code set.
    Set,
    /// Anything else.
    Plain,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub header: &'static str,
    pub kind: Kind,
    pub required: bool,
}

const fn name(header: &'static str) -> Column {
    Column { header, kind: Kind::Name, required: true }
}

const fn code(header: &'static str) -> Column {
    Column { header, kind: Kind::Code, required: true }
}

const fn set(header: &'static str) -> Column {
    Column { header, kind: Kind::Set, required: true }
}

const fn may_set(header: &'static str) -> Column {
    Column { header, kind: Kind::Set, required: false }
}

const fn must(header: &'static str) -> Column {
    Column { header, kind: Kind::Plain, required: true }
}

const fn may(header: &'static str) -> Column {
    Column { header, kind: Kind::Plain, required: false }
}

const REGISTRATION: &[Column] = &[
    name("主体名称"),
    code("统一社会信用代码"),
    may("成立日期"),
    may("主体类型"),
    may("注册资本"),
    may("经营范围"),
    may("行政区划代码"),
    may("法定代表人"),
    may("注册号"),
    may("住所"),
    may("登记机关"),
    may("登记机关代码"),
    may_set("登记状态"),
    may("核准日期"),
];

/// The columns about the party that licences and penalties of organisations share.
const PARTY: &[Column] = &[
    name("行政相对人名称"),
    set("行政相对人类别"),
    code("行政相对人代码_1（统一社会信用代码）"),
    may("行政相对人代码_2（工商注册号）"),
    may("行政相对人代码_3（组织机构代码）"),
    may("行政相对人代码_4（税务登记号）"),
    may("行政相对人代码_5（事业单位证书号）"),
    may("行政相对人代码_6（社会组织登记证号）"),
    must("法定代表人"),
    may("法定代表人证件类型"),
    may("法定代表人证件号码"),
];

const PERSON: &[Column] = &[name("行政相对人名称"), set("行政相对人类别"), must("证件类型"), code("证件号码")];

const PENALTY: &[Column] = &[
    must("行政处罚决定书文号"),
    must("违法行为类型"),
    must("违法事实"),
    must("处罚依据"),
    set("处罚类别"),
    must("处罚内容"),
    may("罚款金额（万元）"),
    may("没收违法所得、没收非法财物的金额（万元）"),
    may("暂扣或吊销证照名称及编号"),
    must("处罚决定日期"),
    must("处罚有效期"),
    must("公示截止期"),
    must("处罚机关"),
    must("处罚机关统一社会信用代码"),
    must("数据来源单位"),
    must("数据来源单位统一社会信用代码"),
    may("备注"),
];

const LICENCE: &[Column] = &[
    must("行政许可决定文书名称"),
    must("行政许可决定文书号"),
    set("许可类别"),
    may("许可证书名称"),
    may("许可编号"),
    must("许可内容"),
    must("许可决定日期"),
    must("有效期自"),
    must("有效期至"),
    must("许可机关"),
    must("许可机关统一社会信用代码"),
    set("当前状态"),
    must("数据来源单位"),
    must("数据来源单位统一社会信用代码"),
    may("备注"),
];

const JUDGMENT_DEFAULTER: &[Column] = &[
    name("被执行人姓名/名称"),
    set("类型"),
    code("证件号码/组织机构代码"),
    may("证件类型"),
    may("法定代表人/负责人"),
    may_set("性别"),
    may("年龄"),
    must("执行法院"),
    may("省份"),
    must("案号"),
    may("执行依据文号"),
    may("做出执行依据单位"),
    may("生效法律文书确定的义务"),
    set("被执行人的履行情况"),
    may("已履行部分"),
    may("未履行部分"),
    must("失信被执行人行为具体情形"),
    must("立案时间"),
    must("发布时间"),
    may("记录编号"),
];

const ABNORMAL_OPERATION: &[Column] = &[
    name("企业名称"),
    code("统一社会信用代码"),
    may("注册号"),
    may("法定代表人"),
    set("列入原因类型名称"),
    must("列入日期"),
    must("列入决定机关"),
    may("移出原因"),
    may("移出日期"),
    may("移出决定机关"),
];

const A_GRADE_TAXPAYER: &[Column] = &[name("纳税人名称"), code("统一社会信用代码"), may("纳税人识别号"), must("评价年度")];

const HONOUR: &[Column] = &[
    name("主体名称"),
    code("统一社会信用代码"),
    must("荣誉名称"),
    set("级别"),
    must("授予单位"),
    must("授予单位代码"),
    must("授予日期"),
    may("文号"),
    may("有效期至"),
    may("备注"),
];

const CREDIT_COMMITMENT: &[Column] = &[
    name("承诺主体名称"),
    code("统一社会信用代码"),
    may("承诺编码"),
    set("承诺类型"),
    must("承诺事由"),
    may("承诺内容"),
    must("做出承诺日期"),
    may("有效期至"),
    must("承诺受理单位"),
    must("承诺受理单位统一社会信用代码"),
    may("经办人"),
    set("承诺履约状态"),
    may("违诺内容"),
    may("违诺认定单位"),
    may("违诺认定日期"),
    may("数据来源"),
];

impl Feed {
    /// All of them; registration comes first, as the others are about whom it registers.
    pub const ALL: [Self; 9] = [
        Self::Registration,
        Self::PenaltyOrganisation,
        Self::LicenceOrganisation,
        Self::PenaltyPerson,
        Self::JudgmentDefaulter,
        Self::AbnormalOperation,
        Self::AGradeTaxpayer,
        Self::Honour,
        Self::CreditCommitment,
    ];

    /// Code of the catalogue item.
    pub fn item(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::PenaltyOrganisation => "administrative_penalty_organisation",
            Self::LicenceOrganisation => "administrative_licence_organisation",
            Self::PenaltyPerson => "administrative_penalty_person",
            Self::JudgmentDefaulter => "judgment_defaulter",
            Self::AbnormalOperation => "abnormal_operation",
            Self::AGradeTaxpayer => "a_grade_taxpayer",
            Self::Honour => "honour",
            Self::CreditCommitment => "credit_commitment",
        }
    }

    /// Version of its form that is written.
    pub fn version(self) -> &'static str {
        match self {
            Self::PenaltyOrganisation | Self::LicenceOrganisation | Self::PenaltyPerson => "v2",
            _ => "v1",
        }
    }

    /// The header row.
    pub fn headers(self) -> Vec<&'static str> {
        self.columns().iter().map(|c| c.header).collect()
    }

    pub(crate) fn columns(self) -> Vec<Column> {
        match self {
            Self::Registration => REGISTRATION.to_vec(),
            Self::PenaltyOrganisation => [PARTY, PENALTY].concat(),
            Self::LicenceOrganisation => [PARTY, LICENCE].concat(),
            Self::PenaltyPerson => [PERSON, PENALTY].concat(),
            Self::JudgmentDefaulter => JUDGMENT_DEFAULTER.to_vec(),
            Self::AbnormalOperation => ABNORMAL_OPERATION.to_vec(),
            Self::AGradeTaxpayer => A_GRADE_TAXPAYER.to_vec(),
            Self::Honour => HONOUR.to_vec(),
            Self::CreditCommitment => CREDIT_COMMITMENT.to_vec(),
        }
    }

    /// How its providers usually write dates.
    pub(crate) fn usual_date(self) -> &'static str {
        match self {
            Self::PenaltyOrganisation | Self::LicenceOrganisation | Self::PenaltyPerson => "%Y/%m/%d",
            Self::JudgmentDefaulter => "%Y年%m月%d日",
            _ => "%Y-%m-%d",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every field of a catalogue item: name, type and whether it is required.
    fn fields(item: &str) -> Vec<(String, String, bool)> {
        let path = format!("{}/../../config/catalog/{item}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        text.split("[[fields]]\n")
            .skip(1)
            .map(|part| {
                let of = |key: &str| {
                    part.lines()
                        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
                        .unwrap_or_default()
                        .trim_matches('"')
                        .to_owned()
                };
                (of("name"), of("type"), of("required") == "true")
            })
            .collect()
    }

    #[test]
    fn the_forms_are_those_of_the_catalogue() {
        for feed in Feed::ALL {
            let expected = fields(feed.item());
            let columns = feed.columns();
            let ours: Vec<(String, bool)> = columns.iter().map(|c| (c.header.to_owned(), c.required)).collect();
            assert_eq!(ours, expected.iter().map(|(name, _, required)| (name.clone(), *required)).collect::<Vec<_>>(), "{feed:?}");
            for (column, (name, of_type, _)) in columns.iter().zip(&expected) {
                assert_eq!(column.kind == Kind::Set, of_type == "code" || of_type == "codes", "{feed:?} {name}");
            }
        }
    }
}
