# SPDX-License-Identifier: Apache-2.0
"""exhibits.py BOARD FOLDER OUT - the cards of exhibits.sh on the page; a line for each thing that holds."""
import sys
from browser import Browser

board, folder, out = sys.argv[1:]
with Browser(folder) as b:
    b.open(board)
    assert b.wait("document.querySelectorAll('.exhibit').length === 12"), b.text("body")
    card = "[...document.querySelectorAll('.exhibit')].find(e => e.querySelector('h2').textContent.includes('%s'))"
    first = card % "Runs"
    assert b.eval(f"{first}.querySelector('h2').innerText") == "Runs <b>again</b>"
    assert b.eval(f"{first}.querySelector('dd').innerText") == "1 < 2/s"
    assert b.wait(f"/^took .*, \\d+ s ago$/.test({first}.querySelector('.note').innerText)")
    print("a card shows title, facts and time as text")
    assert b.eval(f"{first}.querySelector('a').getAttribute('href')") == "/contracts"
    print("a card links")
    assert b.eval("document.querySelector('.exhibit img')") is None
    print("markup in a card is text")
    assert b.eval(f"({card % 'breaks'}).innerText").endswith("the disk is full")
    assert b.eval(f"({card % 'breaks'}).querySelector('.dot').className") == "dot bad"
    print("a failure is marked and explained")
    node = f"({card % 'stays'})"
    b.eval(f"{node}.dataset.mine = 'same'")
    before = b.eval("document.getElementById('meta').textContent")
    assert b.wait(f"document.getElementById('meta').textContent !== {before!r}")
    assert b.eval(f"{node}.dataset.mine") == "same"
    print("a card that did not change is not drawn again")
    assert b.said == [], b.said
    print("no script error, nothing refused by the policy")
    b.shot(f"{out}/exhibits.png", 1280, 2000)
