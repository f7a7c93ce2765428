//! An item's XLSX template: the sheet to fill in, with drop-downs and two example rows, and a sheet that explains every column. Written
//! by `rust_xlsxwriter` (alive, writes only, no native parts).

use crate::configuration::Configuration;
use crate::json_schema::values;
use crate::model::{Field, FieldType, Item};
use credence_core::problem::{Problem, Result};
use rust_xlsxwriter::{Color, DataValidation, Format, FormatBorder, Workbook, XlsxError};

/// Rows that carry drop-downs.
const ROWS_WITH_LISTS: u32 = 5000;

/// The template as bytes.
pub fn template(item: &Item, configuration: &Configuration) -> Result<Vec<u8>> {
    write(item, configuration).map_err(Problem::internal)
}

fn write(item: &Item, configuration: &Configuration) -> std::result::Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let header = Format::new().set_bold().set_background_color(Color::RGB(0xDDEBF7)).set_border(FormatBorder::Thin).set_text_wrap();
    let required = header.clone().set_font_color(Color::RGB(0xC00000));
    let example = Format::new().set_font_color(Color::RGB(0x7F7F7F)).set_italic().set_num_format("@");
    let text = Format::new().set_num_format("@");

    let sheet = workbook.add_worksheet().set_name("数据")?;
    sheet.set_freeze_panes(1, 0)?;
    let mut lists: Vec<(u16, Vec<String>)> = Vec::new();
    for (at, field) in item.fields.iter().enumerate() {
        let column = u16::try_from(at).unwrap_or(u16::MAX);
        sheet.write_string_with_format(0, column, &field.name, if field.required { &required } else { &header })?;
        // Text format keeps spreadsheet programs from eating leading zeros and rounding 18-digit numbers.
        sheet.set_column_format(column, &text)?;
        sheet.set_column_width(column, 22)?;
        for (row, value) in (1u32..).zip(&field.examples) {
            sheet.write_string_with_format(row, column, value, &example)?;
        }
        if field.of_type == FieldType::Code {
            lists.push((column, values(field, configuration)));
        }
    }
    // Lists live on a sheet of their own: a list written into the validation itself may have 255 characters only.
    for (at, (column, list)) in lists.iter().enumerate() {
        let letter = column_letter(at);
        let range = format!("=代码!${letter}$1:${letter}${}", list.len().max(1));
        let validation = DataValidation::new().allow_list_formula(range.as_str().into());
        sheet.add_data_validation(1, *column, ROWS_WITH_LISTS, *column, &validation)?;
    }

    let guide = workbook.add_worksheet().set_name("填报说明")?;
    guide.set_column_width(0, 34)?.set_column_width(1, 20)?.set_column_width(2, 10)?.set_column_width(3, 70)?;
    let lines = [
        format!("{}（{}）", item.name, item.code),
        format!("法律依据：{}", item.legal_basis.join("；")),
        format!("更新周期：{}", item.update_cycle),
        "「数据」表第2、3行为示例，填报前请删除；未删除的示例行会被退回。红色表头为必填项。".to_owned(),
        "日期可写作 2026-01-31、2026/1/31、20260131 或 2026年1月31日；金额单位见说明；多个值用分号隔开。".to_owned(),
    ];
    let mut row = 0;
    for line in &lines {
        guide.write_string(row, 0, line)?;
        row += 1;
    }
    row += 1;
    for (column, title) in (0u16..).zip(["数据项", "代码", "必填", "要求"]) {
        guide.write_string_with_format(row, column, title, &header)?;
    }
    for field in &item.fields {
        row += 1;
        guide.write_string(row, 0, &field.name)?;
        guide.write_string(row, 1, &field.code)?;
        guide.write_string(
            row,
            2,
            if field.required {
                "是"
            } else if field.required_if.is_some() {
                "视情况"
            } else {
                "否"
            },
        )?;
        guide.write_string(row, 3, explain(field, configuration))?;
    }

    let codes = workbook.add_worksheet().set_name("代码")?;
    for (column, (_, list)) in (0u16..).zip(&lists) {
        for (row, value) in (0u32..).zip(list) {
            codes.write_string(row, column, value)?;
        }
    }
    codes.set_hidden(true);
    workbook.save_to_buffer()
}

fn column_letter(at: usize) -> String {
    let mut letters = String::new();
    let mut rest = at + 1;
    while rest > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters
}

fn explain(field: &Field, configuration: &Configuration) -> String {
    let mut parts = vec![match field.of_type {
        FieldType::Text => format!("文字，不超过{}个字", field.max_chars),
        FieldType::Date => {
            if field.not_after_today {
                "日期，不晚于填报当天".to_owned()
            } else {
                "日期".to_owned()
            }
        }
        FieldType::Decimal => field.digits.map_or_else(
            || "数字".to_owned(),
            |[all, after]| format!("数字，整数部分不超过{}位，小数不超过{after}位", all.saturating_sub(after)),
        ),
        FieldType::Integer => "整数".to_owned(),
        FieldType::Code => format!("取值之一：{}", values(field, configuration).join("、")),
        FieldType::Codes => format!("取值可多个，用分号隔开：{}", values(field, configuration).join("；")),
        FieldType::Uscc => "18位统一社会信用代码".to_owned(),
        FieldType::OrganisationCode => "9位组织机构代码".to_owned(),
        FieldType::RegistrationNumber => "工商注册号，按证照填写".to_owned(),
        FieldType::PersonDocumentKind => {
            "证件类型：身份证、护照号、港澳居民来往内地通行证、台湾居民来往大陆通行证、外国人永久居留身份证、港澳台居民居住证".to_owned()
        }
        FieldType::PersonDocument => "证件号码，加密保存，不对外公开".to_owned(),
        FieldType::AnySubjectCode => "组织填统一社会信用代码、组织机构代码或注册号，自然人填身份证号码".to_owned(),
    }];
    if let Some(unit) = &field.unit {
        parts.push(format!("单位：{unit}"));
    }
    if let Some(condition) = &field.required_if {
        if condition.contains.iter().any(|text| text == "*") {
            parts.push(format!("填写了 {} 时必填", condition.field));
        } else {
            parts.push(format!("{} 含「{}」时必填", condition.field, condition.contains.join("、")));
        }
    }
    parts.join("；")
}
