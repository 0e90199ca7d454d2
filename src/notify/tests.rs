//! Against a small Bot API on loopback that behaves as it is told.

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
    Busy {
        retry_after: u64,
    },
    Broken,
    Refuse,
    Hang,
    /// Closes without a word, as a proxy that restarts.
    Cut,
    /// Closes in the middle of the answer.
    Half,
    /// Says 200 with JSON that is no answer of the Bot API.
    Nonsense,
    /// Gives the answer one byte at a time, slower than anybody waits.
    Slow,
}

/// Serves one connection an act, then closes; returns its address and what it was sent.
/// Requests as they came, with their times.
type Heard = Arc<Mutex<Vec<(Instant, String)>>>;

fn fake_api(acts: Vec<Act>) -> (String, Heard) {
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

fn quick() -> Pace {
    Pace {
        patience: Duration::from_millis(300),
        tries: 3,
        pause: Duration::from_millis(10),
        longest: Duration::from_secs(60),
        spacing: Duration::from_millis(5),
    }
}

fn start(api: &str) -> Notifier {
    let settings = settings::Notify { telegram: settings::Telegram { chat_id: "-7".into() } };
    let access = Access { token: Secret::new(TOKEN), api: api.to_owned() };
    Notifier::start_at(&settings, Some(&access), quick())
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
    off.tell(&training(1));
    assert_eq!(off.close(LONG).await, Delivered::default());
}

#[tokio::test]
async fn a_milestone_arrives_in_the_chat() {
    let (api, seen) = fake_api(vec![Act::Ok]);
    let notifier = start(&api);
    notifier.tell(&training(1));
    assert_eq!(notifier.close(LONG).await, Delivered { sent: 1, failed: 0, dropped: 0 });
    let request = seen.lock().unwrap()[0].1.clone();
    assert!(request.starts_with(&format!("POST /bot{TOKEN}/sendMessage ")), "{request}");
    let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body, serde_json::json!({"chat_id": -7, "text": "Training BTC-USDT… (1/20)"}));
}

#[tokio::test]
async fn an_overloaded_server_is_given_the_time_that_it_asks_for() {
    let (api, seen) = fake_api(vec![Act::Busy { retry_after: 1 }, Act::Ok]);
    let notifier = start(&api);
    notifier.tell(&training(1));
    assert_eq!(notifier.close(LONG).await.sent, 1);
    let seen = seen.lock().unwrap();
    assert!(seen[1].0 - seen[0].0 >= Duration::from_secs(1));
}

#[tokio::test]
async fn faults_and_silence_of_the_server_are_tried_again() {
    for faults in [[Act::Broken, Act::Hang], [Act::Cut, Act::Half], [Act::Nonsense, Act::Slow]] {
        let (api, seen) = fake_api([faults.as_slice(), &[Act::Ok]].concat());
        let notifier = start(&api);
        notifier.tell(&training(1));
        assert_eq!(notifier.close(LONG).await, Delivered { sent: 1, failed: 0, dropped: 0 });
        assert_eq!(seen.lock().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn what_no_try_delivers_is_counted_and_the_next_message_is_tried_afresh() {
    let (api, seen) = fake_api(vec![Act::Nonsense, Act::Cut, Act::Broken, Act::Ok]);
    let notifier = start(&api);
    notifier.tell(&training(1));
    while seen.lock().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let teller = notifier.teller();
    teller.tell(&training(2));
    assert_eq!(notifier.close(LONG).await, Delivered { sent: 1, failed: 1, dropped: 0 });
    // A task that outlives the notifier has nobody to tell, and is not hurt by it.
    teller.tell(&training(3));
}

#[tokio::test]
async fn a_refusal_is_given_up_at_once_and_shows_no_token() {
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
async fn a_server_that_hangs_never_holds_up_the_run() {
    let (api, _) = fake_api(vec![Act::Hang, Act::Hang, Act::Hang]);
    let notifier = start(&api);
    let begun = Instant::now();
    for number in 0..2 * WAITING {
        notifier.tell(&training(number));
    }
    assert!(begun.elapsed() < Duration::from_millis(200));
    let delivered = notifier.close(Duration::from_millis(200)).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(delivered, Delivered { sent: 0, failed: 0, dropped: 2 * WAITING as u64 });
}

#[tokio::test]
async fn what_gathers_goes_in_few_messages_that_telegram_takes() {
    let (api, seen) = fake_api(vec![Act::Ok; 40]);
    let notifier = start(&api);
    for number in 0..WAITING {
        notifier.tell(&training(number));
    }
    assert_eq!(notifier.close(LONG).await.sent, WAITING as u64);
    let seen = seen.lock().unwrap();
    assert!(seen.len() < 10, "{} messages", seen.len());
    for (_, request) in seen.iter() {
        let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert!(units(body["text"].as_str().unwrap()) <= LONGEST);
    }
    assert_eq!(units(&shortened("😀".repeat(5000))), LONGEST - 1);
}
