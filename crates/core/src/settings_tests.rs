use super::*;

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path().join("home")).unwrap();
    (folder, home)
}

#[test]
fn what_is_set_reads_back_in_the_text_it_was_set_by_and_can_be_taken_back() {
    let (_folder, home) = home();
    assert_eq!(Settings::load(&home), Settings::default());
    let values = [
        (Setting::Leeway, "120"),
        (Setting::Proxy, "http://proxy.example:3128/"),
        (Setting::Language, "zh"),
        (Setting::Theme, "dark"),
        (Setting::Autostart, "on"),
        (Setting::Tray, "off"),
        (Setting::Developer, "on"),
        (Setting::Welcomed, "on"),
    ];
    for (setting, text) in values {
        assert_eq!(Settings::store(&home, setting, text).unwrap().text(setting), text, "{setting}");
    }
    assert_eq!(Settings::load(&home).leeway, Some(Duration::from_secs(120)));
    for (setting, _) in values {
        Settings::store(&home, setting, "default").unwrap();
    }
    assert_eq!(Settings::load(&home), Settings::default());
}

#[test]
fn a_value_that_cannot_be_is_refused_before_anything_is_written() {
    let (_folder, home) = home();
    let refused = [
        (Setting::Leeway, &["9", "3601", "-1", "1.5", "soon", ""][..]),
        (
            Setting::Proxy,
            &["ftp://proxy", "proxy:3128", "http://ada:secret@proxy", "http://proxy/path", "http://", "\u{0}"],
        ),
        (Setting::CaFile, &["relative.pem", "/no/such/file.pem", "/"]),
        (Setting::Language, &["de", "EN"]),
        (Setting::Theme, &["sepia"]),
        (Setting::Tray, &["1", "yes"]),
    ];
    for (setting, texts) in refused {
        for text in texts {
            let error = Settings::store(&home, setting, text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadInput, "{setting} {text:?}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
    assert!(!home.settings().exists());
}

#[test]
fn what_this_version_does_not_know_is_kept_and_what_it_does_not_understand_is_told() {
    let (_folder, home) = home();
    files::make_private_folder(home.path()).unwrap();
    std::fs::write(home.settings(), r#"{"of-tomorrow": {"a": [1]}, "theme": 7, "leeway": 60}"#).unwrap();
    let settings = Settings::load(&home);
    assert_eq!((settings.leeway, settings.theme), (Some(Duration::from_secs(60)), Theme::System));
    assert_eq!(settings.faults.iter().map(|fault| fault.setting).collect::<Vec<_>>(), [Some(Setting::Theme)]);
    assert_eq!(settings.blocked(), None);
    Settings::store(&home, Setting::Language, "en").unwrap();
    let kept: Value = serde_json::from_slice(&std::fs::read(home.settings()).unwrap()).unwrap();
    assert_eq!(kept["of-tomorrow"]["a"][0], 1);
}

#[test]
fn a_proxy_that_is_not_understood_stops_requests_rather_than_have_them_leave_another_way() {
    let (_folder, home) = home();
    files::make_private_folder(home.path()).unwrap();
    std::fs::write(home.settings(), r#"{"proxy": "prxy"}"#).unwrap();
    assert!(Settings::load(&home).blocked().unwrap().starts_with("proxy cannot be set"));
}

#[test]
fn a_file_that_is_no_json_is_set_aside_and_blocks_nothing() {
    let (_folder, home) = home();
    files::make_private_folder(home.path()).unwrap();
    for broken in [&b"{"[..], b"[]", b"", b"\xff\xfe", &vec![b' '; 70_000]] {
        std::fs::write(home.settings(), broken).unwrap();
        assert_eq!(Settings::load(&home), Settings::default());
        assert!(!home.settings().exists() && aside(&home.settings()).exists());
        assert_eq!(Settings::store(&home, Setting::Theme, "dark").unwrap().theme, Theme::Dark);
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, home) = home();
    Settings::store(&home, Setting::Tray, "off").unwrap();
    assert_eq!(home.settings().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn many_who_set_at_once_lose_nothing() {
    let (_folder, home) = home();
    let all = [(Setting::Leeway, "30"), (Setting::Theme, "dark"), (Setting::Tray, "off"), (Setting::Language, "zh")];
    std::thread::scope(|scope| {
        for (setting, text) in all {
            let home = &home;
            scope.spawn(move || Settings::store(home, setting, text).unwrap());
        }
    });
    let settings = Settings::load(&home);
    for (setting, text) in all {
        assert_eq!(settings.text(setting), text);
    }
}

#[test]
fn what_another_process_sets_is_seen() {
    let (_folder, home) = home();
    let current = Current::of(home.clone());
    assert_eq!(current.now().theme, Theme::System);
    Settings::store(&home, Setting::Theme, "light").unwrap();
    assert_eq!(current.now().theme, Theme::Light);
    Settings::store(&home, Setting::Theme, "dark").unwrap();
    assert_eq!(current.now().theme, Theme::Dark);
}
