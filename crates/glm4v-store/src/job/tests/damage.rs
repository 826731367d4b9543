//! Files of a job that were cut, removed or changed.

use super::*;

fn error(dir: &Path, settings: &Settings) -> String {
    run(dir, settings).unwrap_err().to_string()
}

#[test]
fn a_torn_journal_is_continued() {
    let settings = settings(ShardFormat::Safetensors);
    let whole = uninterrupted(&settings);
    for torn in ["{", "{\"file\":\"shard-0", "\0\0\0\0", "\n", "{}\n"] {
        let dir = tempfile::tempdir().unwrap();
        interrupt_after(3, dir.path(), &settings);
        let journal = dir.path().join("journal.jsonl");
        let text = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, text + torn).unwrap();
        run(dir.path(), &settings).unwrap();
        assert!(files(dir.path()) == whole, "{torn:?}");
    }
}

#[test]
fn every_cut_of_the_journal_is_continued() {
    let settings = settings(ShardFormat::Parquet);
    let whole = uninterrupted(&settings);
    let length = whole["journal.jsonl"].len();
    for cut in 0..length {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in whole.iter().filter(|(name, _)| *name != "summary.json") {
            fs::write(dir.path().join(name), content).unwrap();
        }
        fs::write(
            dir.path().join("journal.jsonl"),
            &whole["journal.jsonl"][..cut],
        )
        .unwrap();
        run(dir.path(), &settings).unwrap();
        assert!(files(dir.path()) == whole, "{cut} bytes");
    }
}

#[test]
fn a_damaged_line_before_the_last_is_an_error() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(5, dir.path(), &settings);
    let journal = dir.path().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("\"inputs\":", "\"input\":", 1)).unwrap();
    let error = error(dir.path(), &settings);
    assert!(
        error.contains("journal.jsonl: line 1 is damaged; delete it"),
        "{error}"
    );
}

/// Numbers that no job can have are not added up.
#[test]
fn a_journal_with_impossible_numbers_is_an_error() {
    let settings = settings(ShardFormat::Parquet);
    for (field, number) in [
        ("inputs", usize::MAX),
        ("inputs", 1 << 20),
        ("tokens", usize::MAX),
    ] {
        let dir = tempfile::tempdir().unwrap();
        interrupt_after(5, dir.path(), &settings);
        let journal = dir.path().join("journal.jsonl");
        let text = fs::read_to_string(&journal).unwrap();
        let (first, later) = text.split_once('\n').unwrap();
        let mut line: serde_json::Value = serde_json::from_str(first).unwrap();
        line[field] = number.into();
        // The second line begins where the first one would end.
        let mut next: serde_json::Value =
            serde_json::from_str(later.split_once('\n').unwrap().0).unwrap();
        next["first_input"] = line["inputs"].clone();
        fs::write(&journal, format!("{line}\n{next}\n")).unwrap();
        let error = error(dir.path(), &settings);
        assert!(error.contains("is damaged; delete it"), "{field}: {error}");
    }
}

#[test]
fn a_journal_with_a_gap_is_an_error() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(5, dir.path(), &settings);
    let journal = dir.path().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let (_, later) = text.split_once('\n').unwrap();
    fs::write(&journal, later).unwrap();
    let error = error(dir.path(), &settings);
    assert!(error.contains("line 1 is damaged"), "{error}");
}

#[test]
fn a_missing_shard_is_an_error_that_says_what_to_do() {
    for (format, file) in [
        (ShardFormat::Parquet, "shard-000001.parquet"),
        (ShardFormat::Safetensors, "shard-000001.jsonl"),
    ] {
        let settings = settings(format);
        let whole = uninterrupted(&settings);
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), &settings).unwrap();
        fs::remove_file(dir.path().join(file)).unwrap();
        let error = error(dir.path(), &settings);
        assert!(
            error.contains(file) && error.contains("is missing"),
            "{error}"
        );
        assert!(
            error.contains("delete line 2 and all later lines"),
            "{error}"
        );

        // The advice works, after the advice about the summary.
        let journal = dir.path().join("journal.jsonl");
        let text = fs::read_to_string(&journal).unwrap();
        let first = text.lines().next().unwrap();
        fs::write(&journal, format!("{first}\n")).unwrap();
        let error = run(dir.path(), &settings).unwrap_err().to_string();
        assert!(error.contains("summary.json: does not agree"), "{error}");
        fs::remove_file(dir.path().join("summary.json")).unwrap();
        run(dir.path(), &settings).unwrap();
        assert!(files(dir.path()) == whole);
    }
}

#[test]
fn a_shard_of_another_size_is_an_error() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(3, dir.path(), &settings);
    let shard = dir.path().join("shard-000000.parquet");
    let mut content = fs::read(&shard).unwrap();
    let bytes = content.len();
    content.pop();
    fs::write(&shard, content).unwrap();
    let error = error(dir.path(), &settings);
    assert!(
        error.contains(&format!("expected {bytes} bytes, found {}", bytes - 1)),
        "{error}"
    );
}

#[test]
fn a_shard_without_its_line_is_written_again() {
    let settings = settings(ShardFormat::Parquet);
    let whole = uninterrupted(&settings);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(1, dir.path(), &settings);
    fs::write(dir.path().join("shard-000000.parquet"), "half a shard").unwrap();
    fs::write(dir.path().join("shard-000001.parquet.tmp"), "less").unwrap();
    fs::remove_file(dir.path().join("journal.jsonl")).ok();
    run(dir.path(), &settings).unwrap();
    assert!(files(dir.path()) == whole);
}

#[test]
fn files_of_the_user_stay() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(1, dir.path(), &settings);
    fs::write(dir.path().join("notes.tmp"), "mine").unwrap();
    run(dir.path(), &settings).unwrap();
    assert_eq!(fs::read(dir.path().join("notes.tmp")).unwrap(), b"mine");
}

#[test]
fn a_directory_with_other_files_is_refused() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cat.jpg"), "").unwrap();
    let error = error(dir.path(), &settings);
    assert!(
        error.contains("contains `cat.jpg`") && error.contains("choose an empty directory"),
        "{error}"
    );
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn a_changed_list_of_inputs_is_an_error() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(1, dir.path(), &settings);
    fs::write(dir.path().join("inputs.jsonl"), "\"other.png\"\n").unwrap();
    let error = error(dir.path(), &settings);
    assert!(
        error.contains("inputs.jsonl: the list of inputs was changed"),
        "{error}"
    );
}

#[test]
fn a_damaged_manifest_is_an_error() {
    let settings = settings(ShardFormat::Parquet);
    for (text, part) in [
        ("{\"layout\": 1", "not a valid manifest"),
        ("{\"layout\": 1}", "missing field"),
        ("{\"layout\": 2}", "expected layout 1, found 2"),
        ("[]", "expected layout 1, found null"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        interrupt_after(1, dir.path(), &settings);
        fs::write(dir.path().join("manifest.json"), text).unwrap();
        let error = error(dir.path(), &settings);
        assert!(
            error.contains("manifest.json") && error.contains(part),
            "{error}"
        );
    }
}
