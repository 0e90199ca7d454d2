//! Tests against a small Bot API on loopback that follows a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Instant;

use super::*;
use crate::secret::Secret;

const TOKEN: &str = "12345:token-of-a-test";

#[derive(Clone)]
enum Act {
    Ok,
    /// The answer to `getMe`.
    Me,
    ChatNotFound,
    Busy {
        retry_after: u64,
    },
    /// An error page in HTML.
    Broken,
    /// A page in HTML with status 200, as a captive portal sends it.
    Portal,
    Refuse,
    Hang,
    /// Closes without an answer, like a proxy that restarts.
    Cut,
    /// Closes in the middle of the answer.
    Half,
    /// Answers 200 with JSON that is not the Bot API's.
    Nonsense,
    /// Answers 200 with `ok` and a result that is no message.
    WrongResult,
    /// Sends to another server.
    Redirect,
    /// Sends the answer one byte at a time, for longer than the client waits.
    Slow,
}

/// Requests in the order of their arrival, with their times.
type Requests = Arc<Mutex<Vec<(Instant, String)>>>;

/// Serves one connection per act. Returns the server's address and the requests it receives.
fn fake_api(acts: Vec<Act>) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    std::thread::spawn(move || {
        let mut hung = Vec::new();
        for act in acts {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream);
            log.lock().unwrap().push((Instant::now(), request));
            let (status, body) = match act {
                Act::Ok => (
                    "200 OK",
                    r#"{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":7,"type":"private"},"text":"x"}}"#
                        .into(),
                ),
                Act::Me => (
                    "200 OK",
                    r#"{"ok":true,"result":{"id":1,"is_bot":true,"first_name":"Huracan","username":"huracan_bot"}}"#
                        .into(),
                ),
                Act::ChatNotFound => (
                    "400 Bad Request",
                    r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#.into(),
                ),
                Act::Portal => ("200 OK", "<html>sign in first</html>".into()),
                Act::WrongResult => ("200 OK", r#"{"ok":true,"result":[]}"#.into()),
                Act::Redirect => ("302 Found\r\nLocation: http://127.0.0.1:1/", String::new()),
                Act::Busy { retry_after } => (
                    "429 Too Many Requests",
                    format!(
                        r#"{{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{{"retry_after":{retry_after}}}}}"#
                    ),
                ),
                Act::Broken => ("500 Internal Server Error", "<html>oops</html>".into()),
                Act::Refuse => (
                    "401 Unauthorized",
                    format!(r#"{{"ok":false,"error_code":401,"description":"Unauthorized for {TOKEN}"}}"#),
                ),
                Act::Nonsense => ("200 OK", r#"{"ok":"perhaps","result":[]}"#.into()),
                Act::Cut => continue,
                Act::Half => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"ok\":tr").unwrap();
                    continue;
                }
                Act::Slow => {
                    std::thread::spawn(move || {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")?;
                        for _ in 0..500 {
                            stream.write_all(b" ")?;
                            std::thread::sleep(Duration::from_millis(50));
                        }
                        std::io::Result::Ok(())
                    });
                    continue;
                }
                Act::Hang => {
                    hung.push(stream);
                    continue;
                }
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
        // Hung connections stay open until the test is over.
        std::thread::sleep(Duration::from_secs(20));
    });
    (address, seen)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().unwrap());
            if body.len() >= length || n == 0 {
                return text;
            }
        }
    }
}

fn quick() -> Timing {
    Timing {
        answer_timeout: Duration::from_millis(300),
        max_attempts: 3,
        first_pause: Duration::from_millis(10),
        max_pause: Duration::from_secs(60),
        spacing: Duration::from_millis(5),
    }
}

fn start(api: &str) -> Notifier {
    let settings = settings::Notify { telegram: settings::Telegram { chat_id: "-7".into() } };
    let access = Access { token: Secret::new(TOKEN), api: api.to_owned() };
    Notifier::start_with(&settings, Some(&access), quick())
}

fn training(number: usize) -> Milestone {
    Milestone::Training { symbol: "BTC-USDT".into(), number, total: 20 }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn without_a_token_or_a_chat_nothing_is_sent() {
    let no_chat = settings::Notify { telegram: settings::Telegram { chat_id: String::new() } };
    let chat = settings::Notify { telegram: settings::Telegram { chat_id: "7".into() } };
    let access = Access { token: Secret::new(TOKEN), api: "http://127.0.0.1:1".into() };
    assert!(!Notifier::start(&chat, None).is_on());
    assert!(!Notifier::start(&no_chat, Some(&access)).is_on());
    let off = Notifier::off();
    off.send(&training(1));
    assert_eq!(off.close(LONG).await, Delivered::default());
}

#[tokio::test]
async fn a_milestone_arrives_in_the_chat() {
    let (api, seen) = fake_api(vec![Act::Ok]);
    let notifier = start(&api);
    notifier.send(&training(1));
    assert_eq!(notifier.close(LONG).await, Delivered { sent: 1, failed: 0, dropped: 0 });
    let request = seen.lock().unwrap()[0].1.clone();
    assert!(request.starts_with(&format!("POST /bot{TOKEN}/sendMessage ")), "{request}");
    let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body, serde_json::json!({"chat_id": -7, "text": "Training BTC-USDT… (1/20)"}));
}

#[tokio::test]
async fn an_overloaded_server_gets_the_pause_that_it_requests() {
    let (api, seen) = fake_api(vec![Act::Busy { retry_after: 1 }, Act::Ok]);
    let notifier = start(&api);
    notifier.send(&training(1));
    assert_eq!(notifier.close(LONG).await.sent, 1);
    let seen = seen.lock().unwrap();
    assert!(seen[1].0 - seen[0].0 >= Duration::from_secs(1));
}

#[tokio::test]
async fn errors_and_silence_of_the_server_are_retried() {
    for faults in [
        [Act::Broken, Act::Hang],
        [Act::Cut, Act::Half],
        [Act::Nonsense, Act::Slow],
        [Act::Portal, Act::WrongResult],
        [Act::Redirect, Act::Broken],
    ] {
        let (api, seen) = fake_api([faults.as_slice(), &[Act::Ok]].concat());
        let notifier = start(&api);
        notifier.send(&training(1));
        assert_eq!(notifier.close(LONG).await, Delivered { sent: 1, failed: 0, dropped: 0 });
        assert_eq!(seen.lock().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn an_undelivered_message_is_counted_and_the_next_one_has_all_its_attempts() {
    let (api, seen) = fake_api(vec![Act::Nonsense, Act::Cut, Act::Broken, Act::Ok]);
    let notifier = start(&api);
    notifier.send(&training(1));
    while seen.lock().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let handle = notifier.handle();
    handle.send(&training(2));
    assert_eq!(notifier.close(LONG).await, Delivered { sent: 1, failed: 1, dropped: 0 });
    // A handle that outlives the notifier does nothing.
    handle.send(&training(3));
}

#[tokio::test]
async fn an_answer_that_is_not_the_bot_apis_is_reported_by_its_status_alone() {
    for (act, status) in [(Act::Broken, 500), (Act::Portal, 200), (Act::WrongResult, 200), (Act::Redirect, 302)] {
        let (api, _) = fake_api(vec![act]);
        let access = Access { token: Secret::new(TOKEN), api };
        let client = Client::new(&access, "7", Timing { max_attempts: 1, ..quick() }).unwrap();
        let reason = format!("HTTP {status}, and the answer is not the Bot API's");
        assert_eq!(client.send("x").await.unwrap_err(), NotifyError::Unreachable { reason });
    }
}

#[tokio::test]
async fn a_check_sends_a_message_and_names_bot_and_chat() {
    let (api, seen) = fake_api(vec![Act::Me, Act::Ok]);
    let access = Access { token: Secret::new(TOKEN), api };
    let found = access.check_within(" @some_channel ", quick()).await.unwrap();
    assert_eq!(found, "bot huracan_bot, a test message was sent to chat 7");
    let seen = seen.lock().unwrap();
    assert!(seen[0].1.starts_with(&format!("POST /bot{TOKEN}/getMe ")), "{}", seen[0].1);
    assert!(seen[1].1.starts_with(&format!("POST /bot{TOKEN}/sendMessage ")), "{}", seen[1].1);
    let body: serde_json::Value = serde_json::from_str(seen[1].1.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body, serde_json::json!({"chat_id": "@some_channel", "text": "Huracan: the connection works"}));
}

#[tokio::test]
async fn a_check_fails_where_the_chat_or_the_token_is_wrong_and_names_the_setting() {
    for (acts, setting) in [
        (vec![Act::Me, Act::ChatNotFound], "notify.telegram.chat_id"),
        (vec![Act::Refuse], "HURACAN_TELEGRAM_TOKEN"),
        (vec![Act::Me, Act::Cut], "the network"),
    ] {
        let (api, seen) = fake_api(acts.clone());
        let access = Access { token: Secret::new(TOKEN), api };
        let error = access.check_within("8", quick()).await.unwrap_err().to_string();
        assert!(error.contains(&format!("check {setting}")) && !error.contains("token-of"), "{error}");
        assert_eq!(seen.lock().unwrap().len(), acts.len(), "one attempt each");
    }
    let (api, _) = fake_api(vec![Act::Me, Act::ChatNotFound]);
    let access = Access { token: Secret::new(TOKEN), api };
    let error = access.check_within("8", quick()).await.unwrap_err();
    assert_eq!(error, NotifyError::Refused { code: 400, reason: "Bad Request: chat not found".into() });
}

#[tokio::test]
async fn a_refusal_is_not_retried_and_shows_no_token() {
    let (api, seen) = fake_api(vec![Act::Refuse, Act::Refuse]);
    let access = Access { token: Secret::new(TOKEN), api };
    let client = Client::new(&access, "7", quick()).unwrap();
    let error = client.send("x").await.unwrap_err();
    assert_eq!(error, NotifyError::Refused { code: 401, reason: "Unauthorized for ***".into() });
    assert!(!format!("{error} {error:?} {access:?}").contains("token-of"));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unreachable_server_shows_no_token() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let access = Access { token: Secret::new(TOKEN), api: format!("http://127.0.0.1:{port}") };
    let error = Client::new(&access, "7", quick()).unwrap().send("x").await.unwrap_err();
    assert!(matches!(&error, NotifyError::Unreachable { .. }), "{error}");
    assert!(!format!("{error:?}").contains("token-of"));
}

#[tokio::test]
async fn a_server_that_hangs_never_delays_the_run() {
    let (api, _) = fake_api(vec![Act::Hang, Act::Hang, Act::Hang]);
    let notifier = start(&api);
    let begun = Instant::now();
    for number in 0..2 * QUEUE_LENGTH {
        notifier.send(&training(number));
    }
    assert!(begun.elapsed() < Duration::from_millis(200));
    let delivered = notifier.close(Duration::from_millis(200)).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(delivered, Delivered { sent: 0, failed: 0, dropped: 2 * QUEUE_LENGTH as u64 });
}

#[tokio::test]
async fn queued_milestones_are_joined_into_few_messages_within_telegrams_limit() {
    let (api, seen) = fake_api(vec![Act::Ok; 40]);
    let notifier = start(&api);
    for number in 0..QUEUE_LENGTH {
        notifier.send(&training(number));
    }
    assert_eq!(notifier.close(LONG).await.sent, QUEUE_LENGTH as u64);
    let seen = seen.lock().unwrap();
    assert!(seen.len() < 10, "{} messages", seen.len());
    for (_, request) in seen.iter() {
        let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert!(units(body["text"].as_str().unwrap()) <= MAX_UNITS);
    }
    assert_eq!(units(&shortened("😀".repeat(5000))), MAX_UNITS - 1);
}
