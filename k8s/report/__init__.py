"""Words, pictures and styles that the demo's report and the dossier share.

Imports nothing of ours; audit and the twin may import it.
"""

from pathlib import Path
from typing import Final

#: The folder of the shared styles and templates.
FOLDER: Final = Path(__file__).parent
