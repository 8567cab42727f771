"""The rows of Ray Workflows that nbflow answers for, by area: what it does as well, and what it does better."""

MATCH = {
    "init and queue": "C001 C002 C003 C004 C006 C008 C011 C012 C013 C015 C016 C017 C018 C020",
    "runs and ids": "C021 C022 C023 C024 C025 C026 C034 C035 C037 C038 C039",
    "graphs": "C041 C042 C044 C045 C046 C047 C048 C049 C050 C051 C052 C053 C056 C057",
    "continuations": "C059 C060 C061 C062 C064 C065 C066 C068 C069",
    "task ids": "C070 C071 C072 C074 C075",
    "options": "C076 C077 C078 C079 C081",
    "retries and caught exceptions": "C082 C083 C084 C085 C086 C089 C090 C091 C094 C096 C097 C098",
    "checkpoints and recovery": (
        "C099 C100 C101 C102 C103 C104 C105 C106 C107 C108 C109 C110 C111 C112 C113 C114 C115 C120 C124 C125"
    ),
    "outputs": "C126 C127 C128 C129 C130 C131 C133 C134 C135 C136 C137",
    "management": "C138 C139 C140 C141 C142 C143 C144 C145 C146 C147 C151 C152",
    "metadata": "C157 C158 C159 C160 C161 C162 C163 C164",
    "events": "C165 C166 C167 C168 C169 C170 C171 C172 C173 C174 C175 C176 C177 C178 C179 C180 C181 C182",
    "events by HTTP": "C187 C188 C190 C195 C197",
    "logging": "C199 C200",
}

BEAT = {
    "init and queue": "C005 C007 C009 C010 C014 C019",
    "runs and ids": "C027 C028 C029 C030 C031 C032 C033 C036 C040",
    "graphs": "C043 C054 C055 C058",
    "continuations": "C067",
    "task ids": "C073",
    "options": "C080",
    "retries and caught exceptions": "C087 C088 C092 C093 C095",
    "checkpoints and recovery": "C116 C117 C118 C119 C122",
    "outputs": "C132",
    "management": "C148 C149 C150 C153 C154",
    "events": "C183 C184 C185",
    "events by HTTP": "C186 C189 C191 C192 C193 C194 C196 C198",
}

INFORMATION = "C063 C121 C123 C155 C156"
"""Rows about Ray's own insides."""
