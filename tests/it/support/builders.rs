//! Rows and files as departments write them, with defaults for everything a test does not care about.

use credence_core::identifiers::{org_code, person, uscc as code};

/// A sound code: category, area and a running number.
pub fn uscc(category: &str, area: &str, n: u32) -> String {
    let body = format!("MA{n:06}");
    let inner = org_code::check_char(body.as_bytes()).expect("body");
    let first = format!("{category}{area}{body}{inner}");
    let last = code::check_char(first.as_bytes()).expect("first seventeen");
    format!("{first}{last}")
}

/// A resident ID that belongs to nobody: 131001 is 市辖区, and cards are issued in counties and districts.
pub fn resident_id(n: u32) -> String {
    let first = format!("13100119{:02}0{}{:02}{:03}", 50 + n % 50, 1 + n % 9, 1 + n % 28, n % 1000);
    let check = person::check_char(&first).expect("digits");
    format!("{first}{check}")
}

/// A table with a header, changed cell by cell, written as any kind of file.
#[derive(Clone)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn of(pairs: &[(&str, String)]) -> Self {
        Self { header: pairs.iter().map(|(h, _)| (*h).to_owned()).collect(), rows: vec![pairs.iter().map(|(_, v)| v.clone()).collect()] }
    }

    /// Changes a cell.
    pub fn set(mut self, row: usize, header: &str, value: &str) -> Self {
        let at = self.header.iter().position(|h| h == header).unwrap_or_else(|| panic!("no column {header}"));
        self.rows[row][at] = value.to_owned();
        self
    }

    /// Renames a column.
    pub fn rename(mut self, from: &str, to: &str) -> Self {
        let at = self.header.iter().position(|h| h == from).unwrap_or_else(|| panic!("no column {from}"));
        self.header[at] = to.to_owned();
        self
    }

    /// Appends the rows of another table of the same header.
    pub fn and(mut self, other: Self) -> Self {
        assert_eq!(self.header, other.header);
        self.rows.extend(other.rows);
        self
    }

    /// CSV in UTF-8.
    pub fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header).expect("header");
        for row in &self.rows {
            writer.write_record(row).expect("row");
        }
        writer.into_inner().expect("bytes")
    }

    /// CSV in GBK, as spreadsheet programs on Chinese Windows save it.
    pub fn gbk(&self) -> Vec<u8> {
        let text = String::from_utf8(self.csv()).expect("utf-8");
        let (bytes, _, lossy) = encoding_rs::GBK.encode(&text);
        assert!(!lossy);
        bytes.into_owned()
    }

    /// An array of JSON objects by header.
    pub fn json(&self) -> Vec<u8> {
        let rows: Vec<serde_json::Map<String, serde_json::Value>> =
            self.rows.iter().map(|row| self.header.iter().cloned().zip(row.iter().cloned().map(Into::into)).collect()).collect();
        serde_json::to_vec(&rows).expect("json")
    }

    /// One JSON object a line.
    pub fn ndjson(&self) -> Vec<u8> {
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&self.json()).expect("json");
        rows.iter().map(|row| format!("{row}\n")).collect::<String>().into_bytes()
    }

    /// XLSX with every cell as text.
    pub fn xlsx(&self) -> Vec<u8> {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        for (r, row) in (0u32..).zip(std::iter::once(&self.header).chain(&self.rows)) {
            for (c, cell) in (0u16..).zip(row) {
                sheet.write_string(r, c, cell).expect("cell");
            }
        }
        book.save_to_buffer().expect("xlsx")
    }
}

/// One penalty on an organisation, in the national form.
pub fn penalty(n: u32) -> Table {
    Table::of(&[
        ("行政相对人名称", format!("廊坊市试验{n}商贸有限公司")),
        ("行政相对人类别", "法人及非法人组织".into()),
        ("行政相对人代码_1（统一社会信用代码）", uscc("91", "131003", 1000 + n)),
        ("法定代表人", "张试验".into()),
        ("行政处罚决定书文号", format!("廊市监处罚〔2026〕{n}号")),
        ("违法行为类型", "违反《中华人民共和国产品质量法》第二十七条".into()),
        ("违法事实", "销售的产品标识不符合要求".into()),
        ("处罚依据", "《中华人民共和国产品质量法》第五十四条".into()),
        ("处罚类别", "罚款".into()),
        ("处罚内容", "罚款贰仟元".into()),
        ("罚款金额（万元）", "0.2".into()),
        ("没收违法所得、没收非法财物的金额（万元）", String::new()),
        ("暂扣或吊销证照名称及编号", String::new()),
        ("处罚决定日期", "2026-11-18".into()),
        ("处罚有效期", "2027-11-18".into()),
        ("公示截止期", "2027-11-18".into()),
        ("处罚机关", "廊坊市市场监督管理局".into()),
        ("处罚机关统一社会信用代码", uscc("11", "131000", 2)),
        ("数据来源单位", "廊坊市市场监督管理局".into()),
        ("数据来源单位统一社会信用代码", uscc("11", "131000", 2)),
        ("备注", String::new()),
    ])
}

/// Several penalties, numbered from `from`.
pub fn penalties(from: u32, count: u32) -> Table {
    let mut table = penalty(from);
    table.rows = (from..from + count).flat_map(|n| penalty(n).rows).collect();
    table
}

/// Code of the organisation that [`penalty`] is about.
pub fn party(n: u32) -> String {
    uscc("91", "131003", 1000 + n)
}

/// One row of registration data.
pub fn registration(n: u32, name: &str) -> Table {
    Table::of(&[
        ("主体名称", name.to_owned()),
        ("统一社会信用代码", party(n)),
        ("成立日期", "2015-03-01".into()),
        ("核准日期", String::new()),
        ("登记状态", "存续".into()),
    ])
}

/// One row of the courts' list about the organisation [`party`].
pub fn defaulter(n: u32) -> Table {
    Table::of(&[
        ("姓名/名称", format!("廊坊市试验{n}商贸有限公司")),
        ("类型", "法人及非法人组织".into()),
        ("证件号码", party(n)),
        ("执行法院", "廊坊市中级人民法院".into()),
        ("案号", format!("（2026）冀10执{n}号")),
        ("执行依据文号", format!("（2025）冀10民初{n}号")),
        ("做出执行依据单位", "廊坊市中级人民法院".into()),
        ("生效法律文书确定的义务", "给付货款".into()),
        ("被执行人的履行情况", "全部未履行".into()),
        ("失信行为具体情形", "有履行能力而拒不履行生效法律文书确定义务".into()),
        ("立案时间", "2026-10-08".into()),
        ("发布时间", "2026年11月20日".into()),
    ])
}

/// Several rows of the courts' list, numbered from `from`.
pub fn defaulters(from: u32, count: u32) -> Table {
    let mut table = defaulter(from);
    table.rows = (from..from + count).flat_map(|n| defaulter(n).rows).collect();
    table
}

/// One penalty on a person.
pub fn person_penalty(n: u32) -> Table {
    Table::of(&[
        ("行政相对人名称", "李试验".into()),
        ("行政相对人类别", "自然人".into()),
        ("证件类型", "身份证".into()),
        ("证件号码", resident_id(n)),
        ("行政处罚决定书文号", format!("廊市监处罚〔2026〕个{n}号")),
        ("违法行为类型", "无照经营".into()),
        ("违法事实", "未取得营业执照从事经营活动".into()),
        ("处罚依据", "《无证无照经营查处办法》第十三条".into()),
        ("处罚类别", "罚款".into()),
        ("处罚内容", "罚款伍佰元".into()),
        ("罚款金额（万元）", "0.05".into()),
        ("处罚决定日期", "2026-11-18".into()),
        ("处罚有效期", "2027-11-18".into()),
        ("公示截止期", "2027-11-18".into()),
        ("处罚机关", "廊坊市市场监督管理局".into()),
        ("处罚机关统一社会信用代码", uscc("11", "131000", 2)),
        ("数据来源单位", "廊坊市市场监督管理局".into()),
        ("数据来源单位统一社会信用代码", uscc("11", "131000", 2)),
    ])
}
