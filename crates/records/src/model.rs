//! Words of ingestion: verdicts, issues, and the problems a file as a whole can have.

use chrono::{DateTime, Utc};
use credence_core::problem::{Kind, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $kind:ident, $code:literal, $zh:literal, $en:literal;)*) => {
        $($(#[$doc])* pub static $name: ProblemType = ProblemType { code: $code, kind: Kind::$kind, zh: $zh, en: $en };)*
    };
}

problems! {
    /// No such item.
    ITEM_UNKNOWN = Unprocessable, "item_unknown", "公共信用信息目录中没有该条目；请在 GET /v1/catalog 中查询", "there is no such catalogue item; see GET /v1/catalog";
    /// No catalogue entry in force, no data (invariant 1).
    ITEM_NOT_IN_FORCE = Unprocessable, "item_not_in_force", "该目录条目今日未生效（未发布、未到生效日或已停用），不能归集", "the catalogue item is not in force today (unpublished, not yet or no longer effective), so no data can be stored under it";
    /// The item is not this agency's to provide.
    NOT_A_PROVIDER = Forbidden, "not_a_provider", "本单位不是该目录条目的提供单位；如有变化请联系信用办修订目录", "this agency is not a provider of the item; the credit office keeps the catalogue";
    /// The key is limited to other items.
    KEY_SCOPE = Forbidden, "key_scope", "该接口密钥的范围不含此目录条目；请使用相应密钥或请安全管理员调整", "this API key is not scoped to the item; use another key or ask the security administrator";
    /// The form has to be stated.
    FEED_MISSING = Malformed, "feed_missing", "该条目有多个表式，必须用 feed 参数说明（新旧表式的状态代码含义相反）；可用表式见 versions", "the item has several forms, so `feed` must say which (a status digit means opposite things in two of them); see `versions`";
    /// No such form.
    FEED_UNKNOWN = Unprocessable, "feed_unknown", "没有该表式；可用表式见 versions", "there is no such form; see `versions`";
    /// The upload is empty.
    EMPTY_FILE = Unprocessable, "empty_file", "文件没有数据行；请核对是否上传了正确的文件或工作表", "the file has no data rows; check that it is the right file and sheet";
    /// Larger than allowed.
    FILE_TOO_LARGE = TooLarge, "file_too_large", "文件超过大小上限 limit_bytes；请拆分后分批上传", "the file is larger than `limit_bytes`; split it";
    /// A bomb.
    COMPRESSION_RATIO = TooLarge, "compression_ratio", "压缩比超过上限 limit；请不压缩上传", "the file expands more than `limit` times; send it uncompressed";
    /// Too many rows.
    TOO_MANY_ROWS = TooLarge, "too_many_rows", "数据行数超过上限 limit；请拆分后分批上传", "more than `limit` data rows; split the file";
    /// Too many columns.
    TOO_MANY_COLUMNS = TooLarge, "too_many_columns", "列数超过上限 limit；请按模板整理", "more than `limit` columns; use the template";
    /// A cell is too long.
    CELL_TOO_LONG = TooLarge, "cell_too_long", "第 row 行有单元格超过 limit 个字符；请检查引号是否配对", "a cell of row `row` is longer than `limit` characters; look for an unbalanced quote";
    /// A row does not end.
    ROW_TOO_LONG = TooLarge, "row_too_long", "第 row 行超过 limit_bytes 字节仍未结束；请检查引号或括号是否配对", "row `row` does not end within `limit_bytes` bytes; look for an unbalanced quotation mark or bracket";
    /// A dry run of too many rows.
    DRY_RUN_TOO_LARGE = TooLarge, "dry_run_too_large", "试报最多 limit 行；请拆分后试报，或直接报送（报送后可整批撤销）", "a dry run takes at most `limit` rows; split the file, or push it: a batch can be undone";
    /// Too many dry runs at once.
    TOO_MANY_DRY_RUNS = TooMany, "too_many_dry_runs", "正在进行的试报过多；请稍后再试", "too many dry runs are under way; try again in a moment";
    /// JSON too deep.
    TOO_DEEP = Unprocessable, "too_deep", "第 row 行的 JSON 嵌套超过上限；行应为平面对象，字段值为文字、数字或文字数组", "row `row` is nested too deeply; a row is a flat object of texts, numbers or lists of texts";
    /// Format not recognised.
    FORMAT_UNKNOWN = UnsupportedContent, "format_unknown", "无法识别文件格式；可用 CSV、XLSX、XLS、JSON、NDJSON，可用 gzip 压缩文本", "the format is not recognised; CSV, XLSX, XLS, JSON and NDJSON are taken, text also gzipped";
    /// The file breaks off or breaks its format's rules.
    FILE_CORRUPT = Unprocessable, "file_corrupt", "文件损坏或不符合其格式，位置与原因见 reason；请重新导出", "the file is damaged or breaks the rules of its format; `reason` says where. Export it again";
    /// The text is in no accepted encoding.
    ENCODING_INVALID = Unprocessable, "encoding_invalid", "文字编码既不是有效的 UTF-8 也不是有效的 GB18030（出错位置见 utf8_error_at 与 gb18030_error_at）；请另存为 UTF-8", "the text is neither valid UTF-8 nor valid GB18030 (see `utf8_error_at` and `gb18030_error_at`); save it as UTF-8";
    /// The text could be either.
    ENCODING_UNDECIDABLE = Unprocessable, "encoding_undecidable", "无法确定文字编码：两种编码都能解读，样例见 samples；请用 encoding=utf-8 或 encoding=gb18030 说明", "the encoding cannot be decided, both readings are possible; see `samples` and say `encoding=utf-8` or `encoding=gb18030`";
    /// A stated encoding that does not fit.
    ENCODING_UNKNOWN = Malformed, "encoding_unknown", "encoding 只能是 utf-8 或 gb18030（含 gbk、gb2312）", "`encoding` is utf-8 or gb18030 (gbk and gb2312 included)";
    /// Unknown columns.
    HEADER_UNKNOWN = Unprocessable, "header_unknown", "有无法识别的列（columns）；请改为模板列名，或用 ignore 参数列出不需归集的列", "some columns are not recognised (`columns`); rename them as in the template, or list them in `ignore` to leave them out";
    /// A column of what may never be collected (`prohibit.terms`; 《征信业管理条例》第十四条).
    COLUMN_PROHIBITED = Unprocessable, "column_prohibited", "有法律禁止归集的列（columns），整个文件不予接收；请从文件中删除这些列后重新报送", "some columns (`columns`) are of information that may never be collected, so the whole file is refused; delete them from the file and push it again";
    /// Two columns for one field.
    HEADER_AMBIGUOUS = Unprocessable, "header_ambiguous", "列 column 与前面的列对应同一数据项；请删除重复列", "`column` leads to the same field as an earlier one; remove one of them";
    /// Required columns are missing.
    HEADER_MISSING = Unprocessable, "header_missing", "缺少必填列（columns）；请按模板补齐，或核对 feed 是否正确", "required columns are missing (`columns`); add them as in the template, or check `feed`";
    /// No header row.
    HEADER_NOT_FOUND = Unprocessable, "header_not_found", "前几行中没有找到表头；请在首行使用模板列名", "no header row was found; use the template's headers in the first row";
    /// Too many open batches.
    TOO_MANY_BATCHES = TooMany, "too_many_batches", "本单位已有 limit 个批次在排队或入库；请待其完成后再上传", "this agency has `limit` batches waiting or loading already; push again when one has ended";
    /// Rows of several batches in one corrected file.
    MIXED_BATCHES = Unprocessable, "mixed_batches", "退回文件应只含同一批次、本单位的行，且保留退回批次与退回行号两列", "a file of corrected rows holds rows of one batch of this agency and keeps the columns 退回批次 and 退回行号";
    /// The batch is in another state.
    BATCH_NOT_OPEN = Conflict, "batch_not_open", "该批次已撤销或正在撤销；请作为新批次上传", "the batch is undone or being undone; push the rows as a new batch";
    /// A file of the batch is still loading.
    BATCH_BUSY = Conflict, "batch_busy", "该批次仍在入库；请待其完成", "the batch is still loading; wait until it has ended";
    /// No such record.
    RECORD_NOT_FOUND = NotFound, "record_not_found", "未找到该记录，或不属于本单位；请核对编号", "there is no such record of this agency; check the id";
    /// Somebody else's record.
    RECORD_OF_OTHER_AGENCY = Conflict, "record_of_other_agency", "该记录由其他单位提供，只有提供单位可以更新；如内容有误请与其联系或提出异议", "this record was provided by another agency, and only that agency changes it; if it is wrong, turn to it or dispute it";
    /// More refused rows than a sheet takes.
    REJECTS_TOO_MANY = TooLarge, "rejects_too_many", "退回数据超过 limit 行，表格文件放不下；请下载 rejects.csv", "there are more than `limit` refused rows, too many for a sheet; download rejects.csv";
    /// Withdrawn already.
    RECORD_WITHDRAWN = Conflict, "record_withdrawn", "该记录已撤回；无需再次撤回", "the record is withdrawn already";
    /// Repaired already: nothing of it is shown or used any more.
    RECORD_REPAIRED = Conflict, "record_repaired", "该记录已完成信用修复，不再公示、共享和使用；无需再次处理", "the record was repaired and is neither shown nor used any more; there is nothing left to do about it";
    /// Shielded already.
    RECORD_SHIELDED = Conflict, "record_shielded", "该记录已因重整计划执行而屏蔽；屏蔽终止后方可再次处理", "the record is shielded while a plan of reorganisation is carried out; end that first";
    /// Not shielded, so there is nothing to end.
    RECORD_NOT_SHIELDED = Conflict, "record_not_shielded", "该记录未处于屏蔽状态；请核对编号", "the record is not shielded; check the id";
    /// A correction that does not pass.
    CORRECTION_REFUSED = Unprocessable, "correction_refused", "更正后的内容未通过校验，原因见 issues；请修改后重试", "the corrected content does not pass the checks; see `issues`";
    /// A correction that changes nothing.
    NOTHING_CHANGED = Conflict, "nothing_changed", "更正内容与现有内容相同", "the correction changes nothing";
    /// Correcting the key would make it another record.
    KEY_CHANGED = Unprocessable, "key_changed", "不能更正业务主键或主体（会成为另一条记录）；请撤回后重新报送", "the business key or the subject cannot be corrected, that would be another record; withdraw it and push the right one";
    /// Decided already.
    ROW_DECIDED = Conflict, "row_decided", "该行已处理；无需再次处理", "this row was decided already";
    /// A key that sees only a part cannot speak for the whole.
    WHOLE_BY_LIMITED_KEY = Unprocessable, "whole_by_limited_key", "该接口密钥限于部分区域，不能报送完整名单（whole）；请使用不限区域的密钥，或按增量报送", "this API key is limited to some regions and cannot state a whole list (`whole`); use a key without that limit, or push the rows as they are";
    /// Registration data is never ended for being absent.
    WHOLE_OF_REGISTRATION = Unprocessable, "whole_of_registration", "登记类条目决定主体本身，不能以完整名单（whole）方式报送；请按增量报送，注销登记请报送登记状态", "an item that registers subjects is not pushed as a whole list (`whole`); push the rows as they are, and say by their status which subjects are gone";
    /// Returned rows are a part of a list.
    WHOLE_OF_RETURNED_ROWS = Unprocessable, "whole_of_returned_rows", "退回文件只含部分行，其批次不是按完整名单（whole）报送的；请去掉 whole 参数后重新报送", "a file of corrected rows is only a part, and its batch was not pushed as a whole list; push it again without `whole`";
    /// Reason is missing.
    REASON_MISSING = Unprocessable, "reason_missing", "须说明理由（reason）", "a `reason` is needed";
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// 接收.
    Accepted,
    /// 接收，有提示.
    AcceptedWithWarnings,
    /// 内容未变.
    Unchanged,
    /// 新版本.
    NewVersion,
    /// 退回.
    Refused,
}

impl Verdict {
    /// The letter under which a chunk keeps it.
    pub fn letter(self) -> u8 {
        match self {
            Self::Accepted => b'a',
            Self::AcceptedWithWarnings => b'w',
            Self::Unchanged => b'u',
            Self::NewVersion => b'v',
            Self::Refused => b'r',
        }
    }

    /// The reverse of [`Self::letter`].
    pub fn from_letter(letter: u8) -> Option<Self> {
        [Self::Accepted, Self::AcceptedWithWarnings, Self::Unchanged, Self::NewVersion, Self::Refused]
            .into_iter()
            .find(|v| v.letter() == letter)
    }
}

/// Whether an issue refuses the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The row is taken.
    Warning,
    /// The row is refused.
    Error,
}

/// One thing wrong or odd with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Issue {
    /// Code of the field; empty when it is about the row as a whole.
    pub field: String,
    /// Chinese name of the field.
    pub field_name: String,
    /// Stable rule code.
    pub rule: String,
    /// Whether it refuses the row.
    pub severity: Severity,
    /// The value, masked when it may be a personal number, cut when it is long.
    pub value: String,
    /// What is wrong and what to do, in Chinese.
    pub message_zh: String,
    /// The same in English.
    pub message_en: String,
}

impl Issue {
    /// Without the character NUL, which PostgreSQL's texts cannot hold: a row that holds one is refused and its issue quotes it.
    pub(crate) fn storable(mut self) -> Self {
        for text in [&mut self.field, &mut self.field_name, &mut self.value, &mut self.message_zh, &mut self.message_en] {
            storable_text(text);
        }
        self
    }
}

fn storable_text(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

/// The same for a problem's particulars.
pub(crate) fn storable_json(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => storable_text(text),
        serde_json::Value::Array(list) => list.iter_mut().for_each(storable_json),
        serde_json::Value::Object(map) => map.values_mut().for_each(storable_json),
        _ => {}
    }
}

/// How many rows came to which verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Accepted without a remark.
    pub accepted: i64,
    /// Accepted with warnings.
    pub accepted_with_warnings: i64,
    /// Content already held.
    pub unchanged: i64,
    /// New version of a record.
    pub new_version: i64,
    /// In quarantine.
    pub refused: i64,
    /// Of those accepted with warnings: waiting for a person to say whose they are.
    pub unmatched: i64,
    /// Received after their deadline (迟报).
    pub late: i64,
}

impl Counts {
    /// Counts a verdict.
    pub fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::AcceptedWithWarnings => self.accepted_with_warnings += 1,
            Verdict::Unchanged => self.unchanged += 1,
            Verdict::NewVersion => self.new_version += 1,
            Verdict::Refused => self.refused += 1,
        }
    }

    /// Rows counted.
    pub fn rows(&self) -> i64 {
        self.accepted + self.accepted_with_warnings + self.unchanged + self.new_version + self.refused
    }
}

/// A file of a batch.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BatchFile {
    /// 1 for the first file, then counting up.
    pub round: i32,
    /// `queued`, `loading`, `completed` or `refused`.
    pub state: String,
    /// Name the sender gave it.
    pub file_name: String,
    /// `csv`, `xlsx`, `xls`, `json` or `ndjson`.
    pub format: String,
    /// `utf-8` or `gb18030`, for text.
    pub encoding: Option<String>,
    /// SHA-256 of the file as sent, hexadecimal.
    pub sha256: String,
    /// Size as sent, in bytes.
    pub size_bytes: i64,
    /// Data rows, once known.
    pub rows_total: Option<i64>,
    /// Data rows with a verdict.
    pub rows_done: i64,
    /// Verdicts so far.
    pub counts: Counts,
    /// Rows a second since loading began.
    pub rows_per_second: Option<f64>,
    /// Seconds until done, at that speed.
    pub eta_seconds: Option<f64>,
    /// Why the whole file was refused.
    #[schema(value_type = Option<Object>)]
    pub problem: Option<serde_json::Value>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// When its last row had a verdict.
    pub finished_at: Option<DateTime<Utc>>,
}

/// How far a whole list has come with the records it lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AbsencesState {
    /// It is loading, another file of the item is loading, or the records are being ended.
    Pending,
    /// Rows are refused, or nobody has said yet whose they are: nothing is ended until the last of them is settled.
    Incomplete,
    /// A newer whole list has been loaded: this one ends nothing any more.
    Superseded,
    /// Every record it lacks is ended.
    Settled,
    /// The file was refused as a whole, or the batch undone: it ends nothing.
    Dropped,
}

/// What a whole list does about the records it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Absences {
    /// How far it has come.
    pub state: AbsencesState,
    /// Records ended so far because the list lacks them.
    pub ended: i64,
    /// When the last of them was.
    pub settled_at: Option<DateTime<Utc>>,
    /// Refused rows that have to be corrected first. Rows that the credit office found to belong to nobody are not among them.
    pub refused: i64,
    /// Rows of which a person has to say first whose they are.
    pub unmatched: i64,
}

/// A submission batch 归集批次.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    /// Id.
    pub id: Uuid,
    /// Who provided it.
    pub agency_id: Uuid,
    /// Catalogue item.
    pub item: String,
    /// Version of the item the rows were checked against.
    pub item_version: i32,
    /// Form.
    pub feed: String,
    /// `open`, `undoing` or `undone`.
    pub state: String,
    /// The sender stated that it is the whole list (全量报送).
    #[serde(default)]
    pub whole: bool,
    /// What became of the records that the whole list lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absences: Option<Absences>,
    /// When it was received.
    pub created_at: DateTime<Utc>,
    /// Verdicts over all files, a corrected row counted with its last verdict.
    pub counts: Counts,
    /// Rows now in quarantine.
    pub in_quarantine: i64,
    /// Its files.
    pub files: Vec<BatchFile>,
    /// Why it was undone.
    pub undo_reason: Option<String>,
}

/// A row and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowVerdict {
    /// Number of the data row, from 1.
    pub row: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// What is wrong or odd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Issue>,
}
