"""Overview: where do we stand, what is at risk, what changed?"""


from ui.components import header
from ui.state import here

header("Where do we stand?", here())
