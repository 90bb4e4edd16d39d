"""The page under real clicks and keys."""

from __future__ import annotations

import base64
import re

import pytest
from paintings import shaped
from playwright.sync_api import Page, expect

SCORED = "#results .card:has(.score)"


def names(page: Page) -> list[str]:
    return page.locator("#results .card .name").all_inner_texts()


def search(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#go")
    expect(page.locator("#heading")).to_contain_text(text)
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    page.wait_for_selector(SCORED)


def drop(page: Page, data: bytes, name: str, kind: str = "image/png") -> None:
    """Drop a file onto the page, as a hand would: over it first."""
    files = page.evaluate_handle(
        """([data, name, type]) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }""",
        [base64.b64encode(data).decode(), name, kind],
    )
    page.dispatch_event("main", "dragenter", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_hidden()


def test_it_begins_with_everything_in_the_folder(browse):
    page = browse()

    assert 9 == len(names(page))
    expect(page.locator("#folder")).to_have_text("photos")
    expect(page.locator("#stand-in")).to_be_visible()
    expect(page.locator("#status")).to_have_text("9 shown")
    assert 9 == page.locator("#points circle").count()


def test_typing_and_searching_ranks(browse):
    page = browse()

    search(page, "a blue square")

    assert "blue square" == names(page)[0]
    scores = [float(text) for text in page.locator("#results .score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    expect(page.locator("#status")).to_contain_text("tokens")
    first, last = (page.locator("#results .bar i").nth(at).bounding_box()["width"] for at in (0, 7))
    assert first > last


def test_thumbnails_are_drawn_and_a_video_without_one_says_so(browse):
    page = browse()
    page.wait_for_load_state("networkidle")

    widths = page.locator("#results img").evaluate_all("(all) => all.map((one) => one.naturalWidth)")
    fits = page.locator("#results img").first.evaluate("(one) => getComputedStyle(one).objectFit")

    assert ([96] * 8, "cover") == (widths, fits)
    expect(page.locator("#results .card", has_text="clip").locator(".blank")).to_be_visible()


def test_a_dropped_picture_is_a_question(browse):
    page = browse()

    drop(page, shaped("green", "circle"), "wanted.png")
    page.wait_for_selector(SCORED)

    assert "green circle" == names(page)[0]
    expect(page.locator("#chip-name")).to_have_text("wanted.png")
    middle = page.evaluate(
        "[...document.querySelector('#preview').getContext('2d').getImageData(36, 36, 1, 1).data]"
    )
    assert [0x2F, 0x9E, 0x44, 255] == middle


def test_a_chosen_picture_and_a_text_are_asked_as_one(browse, folder):
    page = browse()
    with page.expect_file_chooser() as chooser:
        page.click("#choose")
    chooser.value.set_files(folder / "red_square.png")
    page.wait_for_selector(SCORED)
    assert "red square" == names(page)[0]

    search(page, "this, but blue")

    assert "blue" in names(page)[0]
    expect(page.locator("#heading")).to_have_text("The picture and “this, but blue”")

    page.click("#remove")
    expect(page.locator("#chip")).to_be_hidden()
    expect(page.locator("#heading")).to_have_text("“this, but blue”")


def test_a_kind_can_be_left_alone(browse):
    page = browse()
    page.click("label:has(input[value=video])")
    expect(page.locator("#results .card")).to_have_count(1)
    assert ["clip"] == names(page)

    search(page, "red")
    assert ["clip"] == names(page)
    page.click("label:has(input[value=image])")
    expect(page.locator("#results .card")).to_have_count(8)
    assert "red" in names(page)[0]


def test_a_point_of_the_map_opens_its_picture(browse):
    page = browse()
    point = page.locator("#points circle[aria-label='yellow circle']")

    point.hover()
    expect(page.locator("#peek")).to_contain_text("yellow circle")
    point.click()

    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#viewer-name")).to_have_text("圆形/yellow_circle.png")
    expect(page.locator("#frame img")).to_have_js_property("naturalWidth", 96)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(point).to_be_focused()


def test_points_have_the_colours_of_their_groups_and_a_group_can_be_seen_alone(browse):
    page = browse()
    colours = page.locator("#points circle").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).fill)"
    )
    assert len(set(colours)) == page.locator("#groups button").count() > 1

    button = page.locator("#groups button").first
    name, _, count = button.inner_text().rpartition(" ")
    number = int(count)
    assert re.search(r"[^\W\d]", name)
    button.click()

    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#results .card")).to_have_count(number)
    button.click()
    expect(page.locator("#results .card")).to_have_count(9)


def test_more_like_a_picture(browse):
    page = browse()
    page.locator("#results .card", has_text="red square").click()
    page.click("#similar")
    page.wait_for_selector(SCORED)

    assert "red square" == names(page)[0]
    expect(page.locator("#heading")).to_have_text("Similar to red_square.png")


def test_the_keyboard_alone_is_enough(browse):
    page = browse()
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("a yellow square")
    page.keyboard.press("Enter")
    page.wait_for_selector(SCORED)

    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('card')"):
            break
    rows = page.locator("#results .card")
    expect(rows.nth(0)).to_be_focused()
    assert "none" != rows.nth(0).evaluate("(one) => getComputedStyle(one).outlineStyle")
    page.keyboard.press("ArrowRight")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    columns = page.locator("#results").evaluate(
        "(list) => getComputedStyle(list).gridTemplateColumns.split(' ').length"
    )
    expect(rows.nth(1 + columns)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer-name")).to_have_text("yellow_square.png")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-score")).to_contain_text("No. 2")
    page.keyboard.press("Escape")
    expect(rows.nth(1)).to_be_focused()


def test_the_map_is_one_stop_and_arrow_keys_move_in_it(browse):
    page = browse()
    assert 1 == page.locator("#points circle[tabindex='0']").count()
    page.locator("#map summary").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#points circle[tabindex='0']")).to_be_focused()

    visited = set()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp") * 3:
        page.keyboard.press(key)
        visited.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))

    assert len(visited) > 2
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()


def test_everything_that_can_be_pressed_has_a_name(browse):
    page = browse()
    page.locator("#results .card").first.click()

    bare = page.evaluate(
        """[...document.querySelectorAll("button, a, input, #points circle, summary")]
            .filter((one) => !one.hidden && one.type !== "file")
            .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length))
            .map((one) => one.outerHTML)"""
    )

    assert [] == bare


def test_what_is_no_picture_is_refused_here_and_words_say_so(browse):
    page = browse()

    drop(page, b"text", "notes.txt", "text/plain")

    expect(page.locator("#error")).to_contain_text("notes.txt is not a picture.")
    expect(page.locator("#chip")).to_be_hidden()
    expect(page.locator("#results .card")).to_have_count(0)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_error_is_shown_with_a_way_on(browse, locale):
    page = browse(locale=locale)
    page.route(
        "**/api/search*", lambda route: route.fulfill(status=502, json={"error": "the service is away"})
    )
    page.fill("#text", "red")
    page.keyboard.press("Enter")

    expect(page.locator("#error")).to_contain_text("the service is away")
    assert "red" not in page.inner_text("#heading")
    assert 9 == len(names(page))
    page.unroute("**/api/search*")
    page.locator("#error button").click()
    page.wait_for_selector(SCORED)

    expect(page.locator("#error")).to_be_hidden()
    # The browser's own word for the reply that was made up.
    assert ["502" in text for text in browse.complaints] == [True]
    browse.complaints.clear()


def test_no_results_are_words_too(browse):
    page = browse()
    page.route(
        "**/api/search*", lambda route: route.fulfill(json={"results": [], "fused": False, "tokens": 3})
    )
    page.fill("#text", "red")
    page.keyboard.press("Enter")

    expect(page.locator("#empty")).to_contain_text("There are no results of this kind.")


def test_an_empty_question_is_not_sent(browse):
    page = browse()
    page.click("#go")

    expect(page.locator("#error")).to_contain_text("Type words or choose a picture first.")


@pytest.mark.parametrize(
    ("locale", "heading", "lang"),
    [("zh-CN", "文件夹里的全部内容", "zh-CN"), ("en-GB", "All files in the folder", "en")],
)
def test_it_speaks_the_readers_language_and_the_other_on_demand(browse, locale, heading, lang):
    page = browse(locale=locale)
    expect(page.locator("#heading")).to_have_text(heading)
    assert lang == page.evaluate("document.documentElement.lang")

    page.click(".language")
    expect(page.locator("#heading")).not_to_have_text(heading)


def luminance(colour: str) -> float:
    """Return the relative luminance of a CSS colour (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_light_and_dark_are_readable(browse, scheme, dark):
    page = browse(color_scheme=scheme)
    search(page, "red")
    behind = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    texts = page.locator("#heading, #status, #facts, .name, .score, .hint, #ask .choose").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).color)"
    )

    contrasts = [(max(behind, found) + 0.05) / (min(behind, found) + 0.05) for found in map(luminance, texts)]

    assert dark == (behind < 0.2)
    assert [] == [contrast for contrast in contrasts if contrast < 4.5]


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_needs_no_sideways_scrolling(browse, locale, folder):
    page = browse(wide=390, high=844, locale=locale, has_touch=True)
    widths = [page.evaluate("document.documentElement.scrollWidth")]
    page.set_input_files("#file", folder / "red_square.png")
    page.wait_for_selector(SCORED)
    search(page, "averyveryverylongwordwithoutanyplacetobreakitandmoreandmoreandmore")
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    page.locator("#map summary").click()
    expect(page.locator("#points")).to_be_visible()
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    page.locator("#results .card").first.click()
    box = page.locator("#viewer").bounding_box()

    assert [390] * 3 == widths
    assert 0 <= box["x"]
    assert box["x"] + box["width"] <= 390


def test_nothing_on_the_page_is_from_elsewhere_even_if_it_tried(browse):
    page = browse()

    outcome = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'fetched', () => 'refused')")

    assert "refused" == outcome
    assert any("Content Security Policy" in text or "violates" in text for text in browse.complaints)
    browse.complaints.clear()


def test_a_slow_search_is_seen_and_a_newer_one_wins(browse):
    page = browse()
    waiting = []

    def hold(route):
        waiting.append(route)

    page.route("**/api/search?text=slow*", hold)
    page.fill("#text", "slow")
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#status")).to_have_text("Searching …")

    search(page, "green")
    for route in waiting:
        route.abort()

    assert "green" in names(page)[0]
    expect(page.locator("#error")).to_be_hidden()
    browse.complaints[:] = [text for text in browse.complaints if "ERR_" not in text]


def test_the_question_is_in_the_url_and_back_goes_to_the_one_before(browse):
    page = browse()
    search(page, "a blue square")
    search(page, "red")
    assert "text=red" in page.url

    page.reload()
    expect(page.locator("#heading")).to_contain_text("red")
    expect(page.locator("#text")).to_have_value("red")
    page.go_back()
    expect(page.locator("#heading")).to_contain_text("a blue square")
    page.go_back()
    expect(page.locator("#heading")).to_have_text("All files in the folder")
    expect(page.locator("#text")).to_have_value("")
    page.go_forward()
    expect(page.locator("#heading")).to_contain_text("a blue square")


def test_a_shared_url_shows_the_same_in_another_window(browse):
    page, other = browse(), browse()
    page.click("label:has(input[value=image])")
    page.locator("#results .card", has_text="red square").click()
    page.click("#similar")
    page.wait_for_selector(SCORED)

    other.goto(page.url)
    other.wait_for_selector(SCORED)

    assert names(page) == names(other)
    expect(other.locator("#heading")).to_have_text("Similar to red_square.png")
    expect(other.locator("input[value=image]")).to_be_checked()
    other.click(".language")
    expect(other.locator("#heading")).to_have_text("与 red_square.png 相似")


def test_back_brings_a_picture_back(browse):
    page = browse()
    drop(page, shaped("green", "circle"), "wanted.png")
    page.wait_for_selector(SCORED)
    page.locator("#groups button").first.click()
    expect(page.locator("#results .score")).to_have_count(0)

    page.go_back()
    page.wait_for_selector(SCORED)

    assert "green circle" == names(page)[0]
    expect(page.locator("#chip-name")).to_have_text("wanted.png")


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en-US", ("Nothing was searched", "broken.png is damaged or not in a supported image format.")),
        ("zh-CN", ("未进行搜索", "broken.png 已损坏，或不是支持的图片格式。")),
    ],
)
def test_a_refused_upload_takes_the_old_results_away(browse, locale, words):
    page = browse(locale=locale)
    search(page, "red")

    drop(page, b"no image at all", "broken.png")

    heading, message = words
    expect(page.locator("#heading")).to_have_text(heading)
    expect(page.locator("#error")).to_contain_text(message)
    expect(page.locator("#results .card")).to_have_count(0)
    expect(page.locator("#chip")).to_be_hidden()
    assert ["400" in text for text in browse.complaints] == [True]
    browse.complaints.clear()


@pytest.fixture
def opening(browse):
    """A page whose folder is still being opened, and what ends that."""
    page, held = browse(), []
    page.route("**/api/album", lambda route: held.append(route))  # noqa: PLW0108 - a built-in cannot be a handler
    page.reload()
    expect(page.locator("#heading")).to_have_text("Opening the folder …")
    searches: list[str] = []
    page.on("request", lambda request: searches.append(request.url) if "/api/search" in request.url else None)

    return page, lambda: held[0].continue_(), searches  # noqa: PLW0108 - nothing may be held yet


def test_what_is_asked_while_the_folder_is_opened_is_answered_once(opening):
    page, go_on, searches = opening
    page.fill("#text", "a blue square")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    too_early = len(searches)

    go_on()
    page.wait_for_selector(SCORED)

    assert ("a blue square", "blue square") == (page.input_value("#text"), names(page)[0])
    assert (0, 1) == (too_early, len(searches))


def test_what_is_typed_while_the_folder_is_opened_stays(opening):
    page, go_on, _ = opening
    page.fill("#text", "a blue")

    go_on()
    expect(page.locator("#results .card .name")).to_have_count(9)

    assert "a blue" == page.input_value("#text")


def test_a_picture_dropped_while_the_folder_is_opened_is_a_question(opening):
    page, go_on, searches = opening
    drop(page, shaped("green", "circle"), "wanted.png")
    page.wait_for_timeout(200)
    too_early = len(searches)

    go_on()
    page.wait_for_selector(SCORED)

    assert (0, 1) == (too_early, len(searches))

    assert "green circle" == names(page)[0]
    expect(page.locator("#chip-name")).to_have_text("wanted.png")


def test_a_shared_search_that_fails_says_why(browse):
    page = browse()
    page.route(
        "**/api/search*", lambda route: route.fulfill(status=502, json={"error": "the service is away"})
    )

    page.goto(f"{page.url}?text=red")

    expect(page.locator("#error")).to_contain_text("the service is away")
    expect(page.locator("#results .card")).to_have_count(0)
    assert ["502" in text for text in browse.complaints] == [True]
    browse.complaints.clear()


def test_a_very_long_text_is_cut_and_the_page_stays_readable(browse):
    page = browse()
    page.evaluate("document.querySelector('#text').removeAttribute('maxlength')")
    page.fill("#text", "蓝" * 10_000)
    page.click("#go")
    page.wait_for_selector(SCORED)

    assert page.locator("#heading").bounding_box()["height"] < 100
    page.goto(f"{page.url.partition('?')[0]}?text={'x' * 10_000}")
    page.wait_for_selector(SCORED)
    assert 2000 == len(page.input_value("#text"))


def test_the_search_box_has_the_focus(browse):
    expect(browse().locator("#text")).to_be_focused()


def test_captions_tell_two_folders_apart(browse):
    page = browse()
    page.route(
        "**/api/album",
        lambda route: route.fulfill(
            json={**(whole := route.fetch().json()), "entries": renamed(whole["entries"])}
        ),
    )
    page.reload()
    page.wait_for_selector("#results .card")

    assert ["chair · new", "chair · old/red", "chair · photos", "sofa"] == names(page)[:4]


def renamed(entries):
    others = ["new/chair.png", "old/red/chair.png", "chair.png", "sofa.png"]
    return [{**entry, "name": name} for entry, name in zip(entries, others, strict=False)]


def test_what_could_not_be_embedded_is_a_list(browse):
    page = browse()
    failed = {"a.png": "image 'a.png' is 3x3", "b.png": "cut off"}
    page.route("**/api/album", lambda route: route.fulfill(json={**route.fetch().json(), "left_out": failed}))
    page.reload()
    page.wait_for_selector("#results .card")

    page.get_by_role("button", name="2 could not be embedded").click()

    expect(page.locator("#left-out-list")).to_be_visible()
    expect(page.locator("#left-out-files dt")).to_have_text(["a.png", "b.png"])
    expect(page.locator("#left-out-files dd")).to_have_text(["image 'a.png' is 3x3", "cut off"])
    page.keyboard.press("Escape")
    expect(page.locator("#left-out-list")).to_be_hidden()
    expect(page.locator("#left-out")).to_be_focused()


@pytest.mark.parametrize("asked", ["text=a%20blue%20square", "like=red_square.png"])
def test_a_search_that_another_site_opens_is_sent_when_the_reader_says_so(browse, url, asked):
    """Such as one that opens the same search a thousand times: each is billed."""
    page = browse()
    searches: list[str] = []
    page.on("request", lambda request: searches.append(request.url) if "/api/search" in request.url else None)

    # Another name is another site.
    page.evaluate(
        "(address) => { location.href = address; }", f"{url.replace('127.0.0.1', 'localhost')}?{asked}"
    )
    expect(page.locator("#error")).to_contain_text("Another site opened this search")
    page.wait_for_timeout(200)
    unasked = list(searches)
    page.locator("#error button").click()
    page.wait_for_selector(SCORED)

    assert ([], 1) == (unasked, len(searches))
    assert names(page)[0] in ("blue square", "red square")
    expect(page.locator("#error")).to_be_hidden()
    assert [] == [text for text in browse.complaints if not text.startswith("asked for http://localhost:")]
    browse.complaints.clear()


def test_more_like_this_begins_at_the_best(browse):
    page = browse(high=500)
    card = page.locator("#results .card", has_text="yellow circle")
    card.scroll_into_view_if_needed()
    card.click()
    page.click("#similar")
    page.wait_for_selector(SCORED)

    expect(page.locator("#heading")).to_be_focused()
    expect(page.locator("#heading")).to_be_in_viewport()


def test_a_group_begins_at_its_heading(browse):
    page = browse(high=500)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    before = page.evaluate("scrollY")

    page.locator("#groups button").first.evaluate("(one) => one.click()")

    assert before > 100
    expect(page.locator("#heading")).to_be_in_viewport()


def test_the_size_of_a_group_stays_behind_a_long_or_arabic_name(browse):
    page = browse()
    groups = ["عربي", "a name as long as that of a picture from a camera with many words in it"]
    page.route(
        "**/api/album",
        lambda route: route.fulfill(
            json={**(whole := route.fetch().json()), "groups": groups * len(whole["groups"])}
        ),
    )
    page.reload()
    page.wait_for_selector("#groups button")

    ends = page.locator("#groups button").first.evaluate(
        """(button) => {
            const range = document.createRange();
            const left = (node, from, to) => {
                range.setStart(node, from);
                range.setEnd(node, to);
                return range.getBoundingClientRect().left;
            };
            const [name, count] = button.querySelector("span").childNodes;
            return [left(name.firstChild, 0, 4), left(count, 1, count.length)];
        }"""
    )
    dots = page.locator("#groups i").evaluate_all(
        "(all) => all.map((one) => [one.offsetWidth, one.offsetHeight])"
    )

    assert ends[0] < ends[1]
    assert [] == [dot for dot in dots if dot[0] != dot[1]]


def test_back_closes_what_is_open(browse):
    page = browse()
    search(page, "red")
    page.locator("#results .card").first.click()

    page.go_back()

    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#heading")).to_have_text("All files in the folder")


def test_a_picture_is_seen_at_a_zoom_of_four_hundred_percent(browse):
    page = browse(wide=320, high=256)
    page.locator("#results .card", has_text="red square").click()

    expect(page.locator("#frame img")).to_have_js_property("naturalWidth", 96)
    assert page.locator("#frame img").bounding_box()["height"] > 150
    page.locator("#original").scroll_into_view_if_needed()
    expect(page.locator("#original")).to_be_in_viewport()
    assert 320 == page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize("body", ["<!doctype html><title>Another program</title>", '{"results": ['])
def test_a_reply_that_is_not_of_the_page_is_explained(browse, body):
    """The command ended, and another program has its port; or it ended in the middle of a reply."""
    page = browse()
    page.route("**/api/search*", lambda route: route.fulfill(status=200, body=body))
    page.fill("#text", "red")
    page.keyboard.press("Enter")

    expect(page.locator("#error")).to_contain_text("The server does not respond.")
    assert "JSON" not in page.inner_text("#error")
