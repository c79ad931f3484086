"""The Qt style sheet, made from the theme's tokens. Steps of 4 px; controls are 28 high."""

from __future__ import annotations

from diffusion_gui.panels.common.icons import icon_file
from diffusion_gui.panels.common.tokens import Tokens

_SHEET = """
* {{ font-size: 12px; }}
QMainWindow, QDialog, QWidget#centre {{ background: {window}; }}
QToolTip {{ background: {panel}; color: {text}; border: 1px solid {hairline}; padding: 6px; }}

QFrame[role="panel"] {{
    background: {panel}; border: 1px solid {hairline}; border-radius: 8px;
}}
QLabel {{ color: {text}; background: transparent; }}
QLabel[role="title"] {{ font-size: 13px; font-weight: 600; }}
QLabel[role="problem"] {{ font-size: 11px; color: {warning}; }}
QLabel[role="caption"] {{ font-size: 11px; color: {secondary}; }}

QPushButton, QToolButton, QComboBox, QAbstractSpinBox, QLineEdit {{
    background: {field}; color: {text}; border: 1px solid {hairline}; border-radius: 6px;
    min-height: 26px; max-height: 26px; padding: 0 10px;
}}
QToolButton {{ padding: 0 6px; min-width: 16px; }}
QPushButton:hover, QToolButton:hover, QComboBox:hover {{ background: {hover}; }}
QPushButton:pressed, QToolButton:pressed {{ background: {hairline}; }}
QPushButton:disabled, QToolButton:disabled, QComboBox:disabled, QAbstractSpinBox:disabled {{
    color: {disabled};
}}
QPushButton:focus, QToolButton:focus, QComboBox:focus, QAbstractSpinBox:focus, QLineEdit:focus {{
    border: 1px solid {accent};
}}
QPushButton:checked, QToolButton:checked {{
    background: {hover}; color: {accent};
}}
QPushButton[role="accent"] {{
    background: {accent}; color: {on_accent}; border: 1px solid {accent}; font-weight: 600;
}}
QPushButton[role="accent"]:hover {{ background: {accent_hover}; }}
QPushButton[role="accent"]:disabled {{
    background: {field}; color: {disabled}; border: 1px solid {hairline};
}}
QPushButton[role="link"] {{
    background: transparent; border: none; color: {accent}; padding: 0 2px;
    min-height: 18px; max-height: 18px;
}}
QPushButton[role="caption-link"] {{
    background: transparent; border: none; color: {accent}; padding: 0; font-size: 11px;
    min-height: 13px; max-height: 13px;
}}
QPushButton[role="link"]:focus, QPushButton[role="caption-link"]:focus {{
    text-decoration: underline;
}}

QPushButton[role="chip"] {{
    padding: 0 7px; min-height: 20px; max-height: 20px; font-size: 11px; color: {secondary};
    min-width: 12px;
}}
QPushButton[role="chip"]:checked {{
    color: {accent}; background: {hover}; font-weight: 600;
}}
QPushButton[role="chip"]:disabled {{ color: {disabled}; background: transparent; }}
QPushButton[role="tab"], QPushButton[role="tab"]:checked {{
    background: transparent; border: none; border-bottom: 2px solid transparent; border-radius: 0;
    padding: 0; min-height: 22px; max-height: 22px; min-width: 1px; font-size: 11px;
    color: {secondary};
}}
QPushButton[role="tab"]:checked {{
    color: {text}; font-size: 13px; font-weight: 600; border-bottom: 2px solid {accent};
}}
QPushButton[role="tab"]:hover {{ color: {text}; }}
QPushButton[role="tab"]:focus {{ border-bottom: 2px solid {accent}; }}
QPushButton#removeFork {{ padding: 0 2px; }}
QPushButton[role="chip"]::menu-indicator {{ image: none; width: 0; }}
QLineEdit[role="low"] {{
    min-height: 20px; max-height: 20px; padding: 0 6px; font-size: 11px;
}}
QPushButton[role="section"], QPushButton[role="section"]:checked {{
    background: transparent; border: 1px solid transparent; color: {text}; font-weight: 600;
    text-align: left; padding: 0 4px 0 0; min-height: 20px; max-height: 20px;
}}
QPushButton[role="section"]:hover {{ background: {hover}; }}
QPushButton[role="section"]:focus {{ border: 1px solid {accent}; }}
QScrollArea[role="drawer"], QWidget[role="drawer"] {{ background: transparent; border: none; }}
QPushButton[role="choice"] {{
    padding: 0 20px 0 7px; min-height: 20px; max-height: 20px; min-width: 32px; font-size: 11px;
    color: {secondary};
}}
QPushButton[role="choice"]::menu-indicator {{
    image: url("{chevron}"); width: 10px; height: 10px;
    subcontrol-origin: padding; subcontrol-position: right center; right: 6px;
}}
QPushButton[role="legend"] {{
    background: transparent; border: 1px solid transparent; border-radius: 4px; font-size: 11px;
    min-height: 18px; max-height: 18px; padding: 0 20px 0 3px; text-align: left; color: {text};
}}
QPushButton[role="legend"]:hover {{ background: {hover}; }}
QPushButton[role="legend"]:focus {{ border: 1px solid {accent}; }}
QToolButton[role="bare"] {{
    background: transparent; border: none; border-radius: 4px; padding: 0;
    min-width: 16px; max-width: 16px; min-height: 16px; max-height: 16px;
}}
QToolButton[role="bare"]:hover {{ background: {hairline}; }}
QPushButton[role="menu"], QPushButton[role="tool"] {{ padding: 0 6px; }}
QPushButton[role="menu"]::menu-indicator {{ image: none; width: 0; }}

QComboBox {{ padding-right: 2px; }}
QComboBox QLineEdit, QComboBox QLineEdit:focus {{
    background: transparent; border: none; padding: 0; min-height: 0;
}}
QComboBox::drop-down {{ border: none; width: 22px; }}
QComboBox[role="close"] {{ padding-left: 7px; padding-right: 0; }}
QComboBox[role="close"]::drop-down {{ width: 19px; }}
QComboBox::down-arrow {{ image: url("{chevron}"); width: 12px; height: 12px; }}
QComboBox QAbstractItemView, QListView[role="choices"] {{
    background: {panel}; color: {text}; border: 1px solid {hairline}; padding: 4px;
    selection-background-color: {hover}; selection-color: {text}; outline: none;
}}
QListView[role="choices"] {{ padding: 2px; }}  /* a completer allows for 3 px of frame */
QAbstractSpinBox {{ padding-right: 4px; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}

QCheckBox {{ color: {text}; spacing: 6px; background: transparent; }}
QCheckBox::indicator {{
    width: 14px; height: 14px; border: 1px solid {secondary}; border-radius: 4px;
    background: {field};
}}
QCheckBox::indicator:checked {{
    background: {accent}; border-color: {accent}; image: url("{check}");
}}
QCheckBox::indicator:focus {{ border: 1px solid {accent}; }}

QSlider {{ min-height: 22px; background: transparent; }}
QSlider::groove:horizontal {{ height: 4px; border-radius: 2px; background: {hairline}; }}
QSlider::sub-page:horizontal {{ height: 4px; border-radius: 2px; background: {accent}; }}
QSlider::handle:horizontal {{
    width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: {accent};
}}
QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus {{
    background: {accent_hover}; border: 2px solid {panel}; width: 12px; height: 12px;
    border-radius: 8px; margin: -6px 0;
}}
QSlider::sub-page:horizontal:disabled, QSlider::handle:horizontal:disabled {{
    background: {disabled};
}}
QSlider#timeSlider::sub-page:horizontal {{ background: {cursor}; }}
QSlider#timeSlider::handle:horizontal {{ background: {cursor}; }}

QMenuBar {{ background: {window}; color: {text}; }}
QMenuBar::item {{ padding: 4px 8px; background: transparent; border-radius: 4px; }}
QMenuBar::item:selected {{ background: {hover}; }}
QMenu {{ background: {panel}; color: {text}; border: 1px solid {hairline}; padding: 4px; }}
QMenu::item {{ padding: 5px 24px 5px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {hover}; }}
QMenu::item:disabled {{ color: {disabled}; }}
QMenu::separator {{ height: 1px; background: {hairline}; margin: 4px 8px; }}

QSplitter::handle {{ background: transparent; }}
QScrollBar:horizontal {{ height: 8px; background: transparent; }}
QScrollBar:vertical {{ width: 8px; background: transparent; }}
QScrollBar::handle {{
    background: {hairline}; border-radius: 4px; min-width: 24px; min-height: 24px;
}}
QScrollBar::handle:hover {{ background: {disabled}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}

QListView[role="tray"] {{ background: transparent; border: none; outline: none; }}
QListView[role="tray"] QScrollBar:horizontal {{ height: 6px; }}
QListView[role="tray"] QScrollBar::handle {{ border-radius: 3px; }}
QTreeView[role="runs"] {{
    background: transparent; border: none; outline: none; selection-background-color: transparent;
}}
QTableView[role="numbers"] {{ background: {panel}; border: none; outline: none; }}
QTableView[role="numbers"] QHeaderView {{ background: {panel}; border: none; }}
QLineEdit[role="cell"] {{
    min-height: 0; max-height: 20px; padding: 0 4px; border-radius: 0;
    border: 1px solid {accent};
}}
QFrame[role="panel"][drop="true"] {{ border: 2px solid {accent}; }}
QProgressBar {{
    background: {field}; border: 1px solid {hairline}; border-radius: 6px; color: {text};
    text-align: center; max-height: 18px;
}}
QProgressBar::chunk {{ background: {filled}; border-radius: 5px; }}

QFrame[role="popup"] {{ background: {panel}; border: 1px solid {hairline}; }}
QFrame[role="card"] {{
    background: {window}; border: 1px solid {hairline}; border-radius: 6px;
}}
QFrame[role="bar"] {{ background: {field}; border: 1px solid {warning}; border-radius: 6px; }}
QFrame[role="bar"][info="true"] {{ border: 1px solid {hairline}; }}
QFrame[role="bar"] QToolButton {{ background: transparent; border: none; }}
"""


def style_sheet(tokens: Tokens) -> str:
    """Return the application's style sheet for one theme."""
    names = {name: getattr(tokens, name) for name in tokens.__dataclass_fields__}
    return _SHEET.format(
        **names,
        chevron=icon_file("chevron-down", tokens.secondary),
        check=icon_file("check", tokens.on_accent),
        filled=f"#66{tokens.accent[1:]}",  # text is read on it
    )
