//! Simplified Chinese.

use std::time::Duration;

use super::{Account, Consent, Device, Devices, Done, Password, Say, Second, SignIn, SignOut, Stopped, Texts, Wish};

pub(super) static TEXTS: Texts = Texts {
    tag: "zh-Hans",
    other: "English",
    sign_in: SignIn {
        title: "登录",
        to_client: ["以继续使用 ", ""],
        to_device: "以连接设备",
        to_account: "以查看您的账户",
        name: "用户名",
        password: "密码",
        submit: "登录",
        cancel: "取消",
        second_title: "还差一步",
        second_lead: "请输入身份验证器应用显示的六位数字，或一个恢复代码。",
        code: "代码",
        go_on: "继续",
        begin_anew: "重新开始",
    },
    consent: Consent {
        title: |client| format!("允许 {client} 吗？"),
        lead: ["您已登录为 ", "。", " 请求："],
        unverified: "未经验证：此应用是自行注册的。这里没有人核实过它的名称。",
        note: |place| format!("结果将发送到{place}。请仅在您本人刚刚发起此操作时允许。"),
        this_computer: "这台电脑上的应用",
        allow: "允许",
        deny: "拒绝",
        another: "使用其他账户",
        wish,
    },
    device: Device {
        title: "连接设备",
        lead: "请输入设备上显示的代码。",
        code: "代码",
        submit: "继续",
        consent_title: |client| format!("要在您的设备上登录 {client} 吗？"),
        consent_lead: ["您已登录为 ", "。", "（在显示 ", " 的设备上）请求："],
        consent_note: "请仅在该设备就在您面前并显示完全相同的代码时允许。如果代码是别人发给您的，请拒绝。",
        allowed_title: "正在登录您的设备",
        allowed: "设备将在几秒钟内自动继续。您可以关闭此页面。",
        denied_title: "已拒绝",
        denied: "您的设备没有获得任何权限。您可以关闭此页面。",
    },
    account: Account {
        title: "您的账户",
        signed_in_as: ["已登录为 ", ""],
        sign_out: "退出此浏览器",
        security: "安全",
        password: "密码",
        change: "更改",
        second: "登录时的第二步验证",
        second_on: |left| match left {
            0 => "已开启，恢复代码已用完".to_owned(),
            left => format!("已开启，还剩 {left} 个恢复代码"),
        },
        second_off: "未开启",
        set_up: "设置",
        remove: "移除",
        back: "返回您的账户",
    },
    devices: Devices {
        title: "您的登录位置",
        this: "此浏览器",
        browser: "浏览器",
        own_program: "服务器运营者的程序",
        unknown: "未知程序",
        on: |program, system| format!("{system} 上的 {program}"),
        signed_in: "登录时间：",
        last_used: "上次使用：",
        ago: |span| match unit(span) {
            None => "刚刚".to_owned(),
            Some((count, unit)) => format!("{count} {unit}前"),
        },
        end: "退出登录",
        end_of: |what| format!("退出登录：{what}"),
        end_others: "退出所有其他位置",
        end_all: "退出所有位置",
        lives_on: |span| format!("退出立即生效。但应用已取得的访问令牌在最长 {span}内仍可能被其他服务接受。"),
        span: |span| match unit(span) {
            None => format!("{} 秒", span.as_secs()),
            Some((count, unit)) => format!("{count} {unit}"),
        },
        more: |count| format!("另有 {count} 个较早的登录未显示。"),
    },
    password: Password {
        title: "更改密码",
        old: "旧密码",
        new: "新密码",
        again: "再次输入新密码",
        rule: "至少八个字符。长比怪更安全。",
        end_others: "退出所有其他位置",
        submit: "更改密码",
    },
    second: Second {
        title: "设置第二步验证",
        lead: "这样，即使有人知道您的密码，也还需要您的手机。",
        scan: "请用身份验证器应用扫描：",
        picture: "包含下方密钥的二维码",
        key: "或在应用中输入此密钥：",
        code: "应用显示的六位数字",
        password: "您的密码",
        submit: "开启",
        remove_title: "移除第二步验证",
        remove_lead: "之后只需密码即可登录。",
        remove_code: "应用显示的代码，或一个恢复代码",
        remove: "移除",
        codes_title: "您的恢复代码",
        codes_lead: "如果手机丢失，每个代码可登录一次。请妥善保存：它们不会再次显示。",
        codes_done: "我已保存",
    },
    sign_out: SignOut {
        title: "要退出登录吗？",
        lead: ["您在此浏览器中已登录为 ", "。"],
        note: "应用将保持登录状态。您可以在账户页面上将其退出。",
        submit: "退出登录",
        stay: "保持登录",
        done_title: "您已退出登录",
        done: "此浏览器中没有人登录本服务器。",
        sign_in: "重新登录",
    },
    stopped: Stopped {
        title: "无法继续", note: "您可以关闭此页面。没有向任何应用提供任何信息。"
    },
    say,
    done,
};

fn wish(wish: Wish) -> &'static str {
    match wish {
        Wish::Identity => "知道您在此服务器上的身份",
        Wish::Name => "查看您的名称",
        Wish::Stay => "保持登录，直到您退出",
        Wish::Devices => "查看您的登录位置，并在那里退出登录",
    }
}

fn say(say: Say) -> &'static str {
    match say {
        Say::AppTwice => "应用的请求重复指明了自己。",
        Say::AppUnnamed => "应用的请求没有说明它是哪个应用。",
        Say::AppUnknown => "此服务器不认识这个应用。",
        Say::UnknownRedirect => "应用要求把结果发送到它未注册的地址。",
        Say::RequestOver => "应用的请求已被使用，或等待过久。请返回应用重新开始。",
        Say::Stale => "此页面等待过久，或属于另一个浏览器。请返回并重新开始。",
        Say::Incomplete => "表单没有完整送达。请返回重试。",
        Say::WrongCredentials => "用户名与密码不匹配。",
        Say::WrongPassword => "密码不正确。",
        Say::WrongSecondFactor => "代码错误，或已被使用。请等待下一个代码。",
        Say::TooMany => "失败次数过多。请稍等片刻再试。",
        Say::Unavailable => "服务器现在无法应答。没有任何更改；请稍后再试。",
        Say::NotACode => "代码由八个字母组成，例如 WDJB-MJHT。",
        Say::UnknownCode => "此服务器不认识这个代码，或代码已过期。请在设备上重新开始。",
        Say::PasswordsDiffer => "两次输入的新密码不一致。",
        Say::BadPassword => "新密码须有 8 到 1024 个字符。",
        Say::WrongHint => "应用无权提出这样的退出请求。",
        Say::UnknownReturn => "应用要求返回到它未注册的地址。",
    }
}

fn done(done: Done) -> &'static str {
    match done {
        Done::Ended => "该登录已结束。",
        Done::EndedOthers => "您已退出所有其他位置。",
        Done::Password => "密码已更改。",
        Done::SecondOn => "第二步验证已开启。",
        Done::SecondOff => "第二步验证已移除。",
    }
}

/// `None` below a minute.
fn unit(span: Duration) -> Option<(u64, &'static str)> {
    let minutes = span.as_secs() / 60;
    match minutes {
        0 => None,
        1..60 => Some((minutes, "分钟")),
        60..1440 => Some((minutes / 60, "小时")),
        _ => Some((minutes / 1440, "天")),
    }
}
