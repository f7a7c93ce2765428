//! What a file is, by its content. A name proves nothing: an executable called `.pdf` is an executable.

use std::io::{Cursor, Read};

/// Content that is recognised as nothing.
const UNKNOWN: &str = "application/octet-stream";
const ZIP: &str = "application/zip";
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
/// Most bytes of a document's list of parts that are read; a real one has a few thousand.
const PARTS_BYTES_MAX: u64 = 1 << 20;

/// The media type of content, [`UNKNOWN`] when it is recognised as nothing.
pub(crate) fn media_type(bytes: &[u8]) -> &'static str {
    // Office documents are zip archives. By their first bytes they are only guessed at, so they are opened.
    if bytes.starts_with(b"PK\x03\x04") {
        return office(bytes).unwrap_or(ZIP);
    }
    infer::get(bytes).map_or(UNKNOWN, |found| found.mime_type())
}

/// What an archive is when it is an office document without macros: what its own list says is its main part.
fn office(bytes: &[u8]) -> Option<&'static str> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    if archive.file_names_raw().any(|name| name.to_ascii_lowercase().ends_with(b"vbaproject.bin")) {
        return None;
    }
    let mut parts = Vec::new();
    archive.by_name("[Content_Types].xml").ok()?.take(PARTS_BYTES_MAX).read_to_end(&mut parts).ok()?;
    let parts = String::from_utf8_lossy(&parts);
    // The main part of a plain document is of the document's own kind; that of a template or of one with macros is of another.
    [DOCX, XLSX, PPTX].into_iter().find(|kind| parts.contains(&format!("{kind}.main+xml")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn archive(parts: &[(&str, String)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, text) in parts {
            writer.start_file(*name, options).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn list(main: &str) -> String {
        format!("<Types><Override PartName=\"/word/document.xml\" ContentType=\"{main}\"/></Types>")
    }

    #[test]
    fn content_is_told_by_itself() {
        assert_eq!(media_type(b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n"), "application/pdf");
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
        assert_eq!(media_type(b"\xFF\xD8\xFF\xE0\0\x10JFIF\0"), "image/jpeg");
        assert_eq!(media_type(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff"), "application/vnd.microsoft.portable-executable");
        assert_eq!(media_type("甲,乙\n1,2\n".as_bytes()), UNKNOWN);
        assert_eq!(media_type(b""), UNKNOWN);
    }

    #[test]
    fn office_documents_are_told_by_their_main_part_and_those_with_macros_refused() {
        let types = "[Content_Types].xml";
        let docx = list(&format!("{DOCX}.main+xml"));
        // Wherever in the archive the list stands.
        assert_eq!(media_type(&archive(&[("word/document.xml", "x".repeat(9000)), (types, docx.clone())])), DOCX);
        assert_eq!(media_type(&archive(&[(types, list(&format!("{XLSX}.main+xml")))])), XLSX);
        assert_eq!(media_type(&archive(&[(types, docx), ("word/vbaProject.bin", String::new())])), ZIP);
        assert_eq!(media_type(&archive(&[(types, list("application/vnd.ms-word.document.macroEnabled.main+xml"))])), ZIP);
        assert_eq!(media_type(&archive(&[("setup.exe", "MZ".to_owned())])), ZIP);
        assert_eq!(media_type(b"PK\x03\x04 broken off"), ZIP);
    }
}
