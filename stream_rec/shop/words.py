"""The words and figures the catalogue is made of: departments with their season, styles, motifs, colours."""

from __future__ import annotations

from typing import NamedTuple


class Department(NamedTuple):
    """One category of the shop.

    `price`: median in the shop's currency. `consumable`: share of its items that are used up and bought again.
    `peak_day`: day of the year with the highest demand; `season`: log of demand there over the yearly low;
    `width_days`: half width of the season.
    """

    name: str
    nouns: tuple[str, ...]
    materials: tuple[str, ...]
    price: float
    consumable: float
    peak_day: int
    season: float
    width_days: int


def _words(text: str, between: str = " ") -> tuple[str, ...]:
    return tuple(text.split(between))


def _department(  # one row of the table below
    name: str, nouns: str, materials: str, price: float, consumable: float, peak: int, season: float, width: int
) -> Department:
    return Department(name, _words(nouns, "|"), _words(materials, "|"), price, consumable, peak, season, width)


DEPARTMENTS = (
    _department(
        "Tableware",
        "Teapot|Cup and Saucer|Dinner Plate|Cereal Bowl|Milk Jug|Sugar Pot|Cake Stand|Mug"
        "|Serving Platter|Egg Cup|Butter Dish|Espresso Cup",
        "Ceramic|Stoneware|Enamel|Bone China|Glass|Porcelain",
        *(7.5, 0.02, 330, 0.6, 50),
    ),
    _department(
        "Candles",
        "Pillar Candle|Tealights|Scented Candle|Taper Candles|Votive Candle|Candle Refill|Wax Melts"
        "|Travel Candle|Floating Candles|Jar Candle|Dinner Candles|Candle Gift Tin",
        "Soy|Beeswax|Rapeseed Wax|Palm-Free",
        *(6.0, 0.9, 340, 1.0, 55),
    ),
    _department(
        "Christmas",
        "Bauble|Wreath|Stocking|Tree Topper|Advent Calendar|Garland|Nutcracker|Snow Globe|Gift Tags"
        "|Wrapping Paper|Table Runner|Fairy Lights",
        "Felt|Wooden|Glass|Velvet|Paper|Tin",
        *(5.0, 0.25, 328, 2.6, 22),
    ),
    _department(
        "Garden",
        "Watering Can|Plant Pot|Bird Feeder|Hand Trowel|Seed Tin|Wind Chime|Herb Planter|Garden Lantern"
        "|Kneeling Pad|Plant Labels|Hanging Basket|Garden Twine",
        "Terracotta|Zinc|Bamboo|Willow|Cast Iron|Jute",
        *(9.0, 0.15, 130, 1.5, 55),
    ),
    _department(
        "Stationery",
        "Notebook|Greeting Card|Pencil Case|Fountain Pen|Desk Pad|Sticky Notes|Address Book|Letter Set"
        "|Bookmark|Weekly Planner|Washi Tape|Sketchbook",
        "Recycled|Linen|Kraft|Leather|Cotton Paper",
        *(4.5, 0.55, 245, 0.9, 40),
    ),
    _department(
        "Bath",
        "Soap Bar|Hand Wash|Bath Salts|Body Scrub|Sponge|Bath Bomb|Shampoo Bar|Hand Cream|Body Oil"
        "|Shaving Soap|Lip Balm|Face Mask",
        "Oat|Lavender|Sea Salt|Olive|Shea|Charcoal",
        *(6.5, 0.92, 130, 0.2, 80),
    ),
    _department(
        "Coffee and Tea",
        "Breakfast Tea|Green Tea|Espresso Beans|Filter Coffee|Hot Chocolate|Herbal Infusion|Cold Brew"
        "|Chai Blend|Decaf Coffee|Earl Grey|Rooibos|Tea Sampler",
        "Organic|Loose Leaf|Single Estate|Fair Trade",
        *(8.0, 0.97, 20, 0.5, 80),
    ),
    _department(
        "Sweets",
        "Fudge|Shortbread|Truffles|Liquorice|Nougat|Caramels|Marzipan|Chocolate Bar|Toffee|Biscotti"
        "|Fruit Jellies|Honeycomb",
        "Handmade|Dark|Milk|Salted|Vegan|Roasted",
        *(5.5, 0.97, 350, 0.9, 45),
    ),
    _department(
        "Cushions",
        "Cushion|Bolster|Floor Cushion|Seat Pad|Cushion Cover|Pouffe|Neck Pillow|Draught Excluder"
        "|Chair Pad|Outdoor Cushion|Lumbar Cushion|Pet Bed",
        "Linen|Velvet|Wool|Cotton|Boucle|Corduroy",
        *(19.0, 0.0, 285, 0.5, 70),
    ),
    _department(
        "Lighting",
        "Table Lamp|String Lights|Lantern|Lampshade|Night Light|Floor Lamp|Pendant|Desk Lamp|Wall Light"
        "|Light Bulb|Clip Lamp|Solar Light",
        "Brass|Rattan|Paper|Glass|Copper|Ceramic",
        *(24.0, 0.08, 310, 0.7, 70),
    ),
    _department(
        "Bags",
        "Tote Bag|Lunch Bag|Wash Bag|Backpack|Purse|Shopper|Picnic Bag|Weekend Bag|Pouch|Jumbo Bag"
        "|Drawstring Bag|Cool Bag",
        "Canvas|Oilcloth|Jute|Leather|Recycled|Quilted",
        *(12.0, 0.03, 160, 0.4, 70),
    ),
    _department(
        "Toys",
        "Puzzle|Skittles|Doll|Building Blocks|Spinning Top|Kite|Pull-Along Dog|Memory Game|Rag Bear"
        "|Train Set|Finger Puppets|Skipping Rope",
        "Wooden|Felt|Tin|Knitted|Cardboard",
        *(10.0, 0.0, 340, 1.3, 40),
    ),
    _department(
        "Baking",
        "Mixing Bowl|Cake Tin|Rolling Pin|Cookie Cutters|Cupcake Cases|Pie Dish|Icing Set|Baking Tray"
        "|Measuring Cups|Apron|Oven Glove|Sprinkles",
        "Tin|Silicone|Beech|Enamel|Stoneware|Cotton",
        *(8.0, 0.3, 345, 0.5, 60),
    ),
    _department(
        "Glass",
        "Vase|Tumbler|Wine Glass|Carafe|Storage Jar|Decanter|Bud Vase|Champagne Flute|Hurricane Lamp"
        "|Bottle|Cocktail Glass|Terrarium",
        "Recycled|Smoked|Ribbed|Crackled|Etched|Clear",
        *(13.0, 0.0, 180, 0.3, 80),
    ),
    _department(
        "Picnic",
        "Picnic Rug|Hamper|Paper Plates|Cool Box|Paper Straws|Thermos Flask|Napkins|Folding Stool"
        "|Parasol|Bunting|Melamine Plate|Drinks Dispenser",
        "Willow|Tin|Paper|Cotton|Bamboo|Melamine",
        *(11.0, 0.35, 185, 1.8, 45),
    ),
    _department(
        "Throws",
        "Throw|Blanket|Bedspread|Quilt|Lap Rug|Hot Water Bottle|Duvet Cover|Pillowcase|Bed Socks"
        "|Dressing Gown|Wheat Bag|Shawl",
        "Wool|Cotton|Mohair|Fleece|Linen|Alpaca",
        *(32.0, 0.0, 320, 1.1, 60),
    ),
    _department(
        "Wall Art",
        "Poster|Wall Clock|Mirror|Picture Frame|Tin Sign|Canvas Print|Wall Hook|Wall Hanging|Chalkboard"
        "|Door Sign|Letter Rack|Key Cabinet",
        "Oak|Metal|Bamboo|Gilt|Driftwood|Paper",
        *(17.0, 0.0, 30, 0.3, 70),
    ),
    _department(
        "Storage",
        "Basket|Crate|Drawer Box|Bread Bin|Biscuit Tin|Laundry Hamper|Sewing Box|Magazine Rack|Shoe Box"
        "|Canister|Memory Box|Spice Rack",
        "Seagrass|Tin|Wicker|Pine|Felt|Enamel",
        *(15.0, 0.0, 15, 0.6, 40),
    ),
    _department(
        "Party",
        "Balloons|Paper Lantern|Confetti|Party Hats|Cake Topper|Invitation Cards|Party Bags|Streamers"
        "|Photo Props|Table Confetti|Birthday Candles|Pinata",
        "Paper|Foil|Tissue|Metallic|Pastel",
        *(4.0, 0.75, 190, 0.5, 70),
    ),
    _department(
        "Jewellery",
        "Necklace|Bracelet|Earrings|Ring|Brooch|Hair Clip|Anklet|Charm|Trinket Box|Bangle|Locket|Hair Band",
        "Silver|Brass|Beaded|Enamel|Pearl|Resin",
        *(14.0, 0.0, 45, 0.6, 25),
    ),
    _department(
        "Pets",
        "Dog Lead|Cat Toy|Dog Biscuits|Food Bowl|Pet Blanket|Dog Collar|Cat Treats|Grooming Brush"
        "|Dog Coat|Litter Mat|Chew Bone|Travel Bowl",
        "Waxed|Rope|Natural|Enamel|Fleece|Leather",
        *(9.0, 0.6, 300, 0.2, 80),
    ),
    _department(
        "Kitchen",
        "Chopping Board|Tea Towel|Wooden Spoon|Salt Mill|Dish Brush|Colander|Cafetiere|Kitchen Scales"
        "|Cheese Knife|Recipe Box|Dish Cloth|Trivet",
        "Oak|Cotton|Olive Wood|Steel|Slate|Cast Iron",
        *(11.0, 0.25, 345, 0.3, 70),
    ),
    _department(
        "Craft",
        "Yarn|Embroidery Kit|Ribbon|Paint Set|Buttons|Felt Sheets|Knitting Needles|Sewing Kit|Stamp Set"
        "|Glue Pens|Beads|Paper Pack",
        "Merino|Cotton|Satin|Acrylic|Wooden|Glitter",
        *(6.0, 0.7, 290, 0.5, 60),
    ),
    _department(
        "Travel",
        "Luggage Tag|Eye Mask|Water Bottle|Passport Holder|Umbrella|Beach Towel|Sun Hat|Travel Mug"
        "|Packing Cube|Adapter|Fan|Sunglasses Case",
        "Leather|Steel|Cotton|Straw|Silk|Recycled",
        *(13.0, 0.02, 195, 1.1, 50),
    ),
)

STYLES = (
    "Vintage",
    "Scandi",
    "Cottage",
    "Retro",
    "Coastal",
    "Boho",
    "Heritage",
    "Modern",
    "Woodland",
    "Industrial",
    "Floral",
    "Regency",
    "Rustic",
    "Deco",
    "Tropical",
    "Folk",
    "Nautical",
    "Gothic",
    "Pastel",
    "Botanical",
)
QUALITIES = (
    "Faded",
    "Wild",
    "Little",
    "Painted",
    "Sunday",
    "Silver",
    "Golden",
    "Quiet",
    "Misty",
    "Starry",
    "Merry",
    "Velvet",
    "Hidden",
    "Dancing",
    "Summer",
    "Frosted",
)
MOTIFS = _words(
    "Rose Heart Swallow Fern Anchor Fox Meadow Star Poppy Owl Bramble Lily Robin Daisy Acorn Moon Hare Thistle "
    "Willow Peony Wren Harbour Lantern Clover Stag Tulip Feather Ivy Bluebell Heron Orchard Pebble Magnolia Kite "
    "Hedgehog Primrose Ribbon Sparrow Mushroom Seashell Lavender Beehive Pine Dragonfly Jasmine Badger Comet "
    "Cornflower Otter Maple Paisley Sunflower Finch Holly Marigold Lighthouse Swan Violet Pear Gingham Compass "
    "Blossom Juniper Cloud"
)
COLOURS = _words(
    "Sage Ivory Navy Blush Ochre Charcoal Teal Cream Scarlet Duck-Egg Plum Mustard Sky Coral Olive White Lilac "
    "Terracotta Mint Indigo Sand Ruby Slate Emerald"
)
