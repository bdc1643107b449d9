"""The ids in vendors' answers: what relay's database can hold, or the answer cannot be read."""

from typing import Annotated

import msgspec

from relay.notation import LARGEST_ID

VendorId = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]
