#!/usr/bin/env python3
"""Turns a terminal capture with colours into an SVG picture; needs the standard library alone.

How the pictures beside this file were made (the frame with the bar was chosen from captures a tenth of a second apart):

    tmux new-session -d -s demo -x 120 -y 30 'league-gateway demo --once --kill --lang en'
    tmux capture-pane -e -p -t demo > demo.ansi
    ./make-terminal-svg.py 'league-gateway demo --once --kill --lang en' < demo.ansi > demo.svg
"""

import re
import sys
import unicodedata
from html import escape

CELL, LINE, SIZE, MARGIN, BAR = 8.0, 18, 13.3, 16, 34
BACKGROUND, FOREGROUND = "#16181d", "#d6d9e0"
COLOURS = {31: "#f2777a", 32: "#8cc570", 33: "#e0c06a", 34: "#6ba4e7", 35: "#c594c5", 36: "#66c2c2"}
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK SC','Microsoft YaHei',monospace"


def width(char):
    """Columns that a character takes in a terminal."""
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def runs(line, style):
    """Splits a line into (column, text, style); style is (colour, dim, bold) and goes on over line ends."""
    column, found = 0, []
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b["):
            for code in [int(word or 0) for word in part[2:-1].split(";")]:
                colour, dim, bold = style
                if code == 0:
                    style = (None, False, False)
                elif code in (1, 2):
                    style = (colour, dim or code == 2, bold or code == 1)
                elif code == 22:
                    style = (colour, False, False)
                elif code == 39 or code in COLOURS:
                    style = (COLOURS.get(code), dim, bold)
            continue
        # Text of one width keeps to the grid whatever font the reader has.
        for piece in re.findall(r"\s+|[^\s]+", part):
            for same in re.split(r"((?:[^\x00-\u10ff\u2000-\u2bff])+)", piece):
                if same.strip():
                    found.append((column, same, style))
                column += sum(map(width, same))
    return found, style


def main():
    title = sys.argv[1] if len(sys.argv) > 1 else ""
    lines = sys.stdin.read().rstrip().split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in lines]
    columns = max(sum(map(width, line)) for line in plain)
    wide, high = 2 * MARGIN + columns * CELL, BAR + len(lines) * LINE + MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}"'
          f' role="img" aria-label="{escape(title)}" font-family="{FONTS}" font-size="{SIZE}">')
    print(f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>')
    for at, colour in enumerate(("#f2777a", "#e0c06a", "#8cc570")):
        print(f'<circle cx="{MARGIN + 4 + at * 16}" cy="17" r="5" fill="{colour}"/>')
    print(f'<text x="{wide / 2:g}" y="21" fill="#8b91a0" text-anchor="middle">{escape(title)}</text>')
    style = (None, False, False)
    for row, line in enumerate(lines):
        found, style = runs(line, style)
        y = BAR + row * LINE + 13
        for column, text, (colour, dim, bold) in found:
            cells = sum(map(width, text)) * CELL
            look = (' opacity=".6"' if dim else "") + (' font-weight="bold"' if bold else "")
            # The bar is drawn: block characters of most fonts leave gaps.
            if set(text) <= set("█░"):
                full = text.count("█") * CELL
                x = MARGIN + column * CELL
                print(f'<rect x="{x:g}" y="{y - 11}" width="{cells:g}" height="13" fill="#30343c"/>'
                      f'<rect x="{x:g}" y="{y - 11}" width="{full:g}" height="13" fill="{colour or FOREGROUND}"/>')
                continue
            print(f'<text x="{MARGIN + column * CELL:g}" y="{y}" fill="{colour or FOREGROUND}" textLength="{cells:g}"'
                  f' lengthAdjust="spacingAndGlyphs"{look}>{escape(text)}</text>')
    print("</svg>")


if __name__ == "__main__":
    main()
