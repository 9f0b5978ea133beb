import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A Kafka node that formats its folder when it is new, in the same process: starting Java twice takes twice as long. */
public class KafkaNode {
    /** Arguments: the cluster's id, the properties file; a file with the user that a new folder knows, where users log in. */
    public static void main(String[] args) throws IOException {
        List<String> format = new ArrayList<>(
            Arrays.asList("format", "--ignore-formatted", "-t", args[0], "-c", args[1]));
        if (args.length > 2) {
            format.addAll(Arrays.asList("--add-scram", Files.readString(Path.of(args[2]))));
        }
        int status = kafka.tools.StorageTool.execute(format.toArray(new String[0]), System.out);
        if (status != 0) {
            System.exit(status);
        }
        kafka.Kafka.main(new String[] {args[1]});
    }
}
